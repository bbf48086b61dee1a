/** An ecosystem under the name that packages are matched by. */
export interface KnownEcosystem {
  readonly name: string
  /** Its fixes are for subscribers only (Ubuntu Pro): to all others there is none. */
  readonly isForSubscribers: boolean
}

/**
 * OSV's names of ecosystems (OSV schema, "affected[].package field"), without what tells nothing here: `:LTS`,
 * Red Hat's repositories, the address of a registry. Undefined for variants that no image is matched with, such
 * as Ubuntu's FIPS builds and Red Hat's extended updates.
 */
export function readEcosystem(text: string): KnownEcosystem | undefined {
  const [base = '', ...rest] = text.split(':')
  if (base === 'Ubuntu') return readUbuntu(rest)
  if (base === 'Red Hat') return readRedHat(rest)
  const name = base === 'Maven' || base === 'Packagist' ? base : text
  return { name, isForSubscribers: false }
}

function readUbuntu(parts: readonly string[]): KnownEcosystem | undefined {
  const isForSubscribers = parts[0] === 'Pro'
  const [release = '', term] = isForSubscribers ? parts.slice(1) : parts
  if (!/^\d\d\.\d\d$/.test(release) || (term !== undefined && term !== 'LTS')) return undefined
  return { name: `Ubuntu:${release}`, isForSubscribers }
}

/** `Red Hat:enterprise_linux:9::baseos`: the middle of a CPE. */
function readRedHat([product = '', version = '']: readonly string[]): KnownEcosystem | undefined {
  const major = /^(\d{1,2})(?:\.\d{1,2})?$/.exec(version)?.[1]
  if (product !== 'enterprise_linux' || major === undefined) return undefined
  return { name: `Red Hat:${major}`, isForSubscribers: false }
}

/** True where packages are rpm's, which are filed under their own names and belong to module streams. */
export function isRpmEcosystem(name: string): boolean {
  return /^(?:AlmaLinux|Rocky Linux|Red Hat):/.test(name)
}

/**
 * The name that a registry takes as the same: without regard to case and separators for Python (PEP 503),
 * without regard to case for NuGet and Packagist.
 */
export function normaliseName(ecosystem: string, name: string): string {
  if (ecosystem === 'PyPI') return name.toLowerCase().replaceAll(/[-_.]+/g, '-')
  return ecosystem === 'NuGet' || ecosystem === 'Packagist' ? name.toLowerCase() : name
}
