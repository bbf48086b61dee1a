import type { PackageType } from '../types.ts'
import type { FoundPackage } from './types.ts'

/** Longer names and versions are somebody's joke. */
const maximumLength = 400

/** A package, where what a file gives as its name and version can be those of one. */
export function namePackage(type: PackageType, name: unknown, version: unknown): FoundPackage | undefined {
  return isWord(name) && isWord(version) && !/^[/:]|[/:]$/.test(name) ? { type, name, version } : undefined
}

/** Each package once, whatever else the file says of it. */
export function withoutRepeats(packages: Iterable<FoundPackage | undefined>): FoundPackage[] {
  const seen = new Map<string, FoundPackage>()
  for (const found of packages) {
    if (found === undefined) continue
    const key = `${found.name}\0${found.version}\0${found.inside ?? ''}`
    if (!seen.has(key)) seen.set(key, found)
  }
  return [...seen.values()]
}

function isWord(value: unknown): value is string {
  if (typeof value !== 'string' || value.length === 0 || value.length > maximumLength) return false
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  return value.isWellFormed() && !/[\0-\x20\x7f]/.test(value)
}
