import { PackageURL } from 'packageurl-js'

const maximumLength = 2_000
const remembered = new Map<string, PackageURL | undefined>()
const maximumRemembered = 10_000

/** Reads a package URL; undefined for what is none. The last ones are remembered: findings repeat them. */
export function parsePurl(text: string): PackageURL | undefined {
  if (text.length > maximumLength || !text.startsWith('pkg:')) return undefined
  if (remembered.has(text)) return remembered.get(text)
  const parsed = readPurl(text)
  if (remembered.size >= maximumRemembered) remembered.clear()
  remembered.set(text, parsed)
  return parsed
}

function readPurl(text: string): PackageURL | undefined {
  try {
    return PackageURL.fromString(text)
  } catch {
    return undefined
  }
}

/**
 * True when a pattern means a package: the same type, namespace and name, the same version if it names one, and
 * every qualifier that it names with the same value (OpenVEX 0.2.0, "Product Identification").
 */
export function matchesPurl(pattern: string, purl: string): boolean {
  const wanted = parsePurl(pattern)
  const found = parsePurl(purl)
  if (!wanted || !found) return false
  return (
    wanted.type === found.type &&
    (wanted.namespace ?? '') === (found.namespace ?? '') &&
    wanted.name === found.name &&
    (wanted.version === undefined || isSameVersion(wanted, found)) &&
    hasQualifiers(wanted, found) &&
    (wanted.subpath === undefined || wanted.subpath === found.subpath)
  )
}

/** Go writes `v1.2.3`, and its advisories `1.2.3`. */
function isSameVersion(wanted: PackageURL, found: PackageURL): boolean {
  if (wanted.version === found.version) return true
  const plain = (version: string | undefined): string => (version ?? '').replace(/^v(?=\d)/, '')
  return wanted.type === 'golang' && plain(wanted.version) === plain(found.version)
}

function hasQualifiers(wanted: PackageURL, found: PackageURL): boolean {
  const have = found.qualifiers ?? {}
  return Object.entries(wanted.qualifiers ?? {}).every(([name, value]) => have[name] === value)
}
