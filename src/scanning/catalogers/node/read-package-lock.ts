import { namePackage, withoutRepeats } from '../name-package.ts'
import { asObject, readJson, type Loose } from '../read-json.ts'
import type { FileContent, FoundPackage } from '../types.ts'

const inFolder = 'node_modules/'
/** npm's own trees are some ten deep at most. */
const maximumDepth = 100

/**
 * npm's lock files (npm docs, "package-lock.json"): versions 2 and 3 by their `packages`, version 1 by its nested
 * `dependencies`. What only development needs, and what other systems would install, is left out.
 */
export function readPackageLock(file: FileContent): readonly FoundPackage[] | undefined {
  const lock = asObject(readJson(file))
  if (lock['packages'] !== undefined) return withoutRepeats(readPackages(asObject(lock['packages'])))
  if (lock['lockfileVersion'] === undefined && lock['dependencies'] === undefined) return undefined
  return withoutRepeats(readDependencies(asObject(lock['dependencies'])))
}

function readPackages(packages: Loose): (FoundPackage | undefined)[] {
  return Object.entries(packages).flatMap(([path, value]) => {
    const entry = asObject(value)
    const at = path.lastIndexOf(inFolder)
    if (at < 0 || entry['link'] === true || !isForHere(entry)) return []
    return [namePackage('npm', entry['name'] ?? path.slice(at + inFolder.length), entry['version'])]
  })
}

function readDependencies(dependencies: Loose): (FoundPackage | undefined)[] {
  const packages: (FoundPackage | undefined)[] = []
  let level: readonly Loose[] = [dependencies]
  for (let depth = 0; depth < maximumDepth && level.length > 0; depth++) {
    const next: Loose[] = []
    for (const [name, value] of level.flatMap((one) => Object.entries(one))) {
      const entry = asObject(value)
      if (isForHere(entry)) packages.push(readVersion(name, entry['version']))
      if (entry['dependencies'] !== undefined) next.push(asObject(entry['dependencies']))
    }
    level = next
  }
  return packages
}

/** `npm:ms@2.0.0` where the package goes by another name; an address has no version of the registry's. */
function readVersion(name: string, version: unknown): FoundPackage | undefined {
  const text = typeof version === 'string' ? version : ''
  const at = text.lastIndexOf('@')
  if (text.startsWith('npm:') && at > 4) return namePackage('npm', text.slice(4, at), text.slice(at + 1))
  return /^\d/.test(text) ? namePackage('npm', name, text) : undefined
}

function isForHere({ dev, os }: Loose): boolean {
  if (dev === true) return false
  if (!Array.isArray(os) || os.length === 0) return true
  return os.includes('linux') || (!os.includes('!linux') && os.some((one) => String(one).startsWith('!')))
}
