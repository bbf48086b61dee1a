import type { InstalledPackage, PackageType } from '../types.ts'
import { versionOrders } from '../versions/index.ts'

/** Anything with packages: an inventory or what was read from an SBOM. */
export interface PackageList {
  readonly packages: readonly Pick<InstalledPackage, 'type' | 'name' | 'version'>[]
}

export interface ListedPackage {
  readonly type: PackageType
  readonly name: string
  readonly version: string
}

export interface ChangedPackage {
  readonly type: PackageType
  readonly name: string
  readonly before: string
  readonly after: string
}

export interface SbomComparison {
  readonly added: readonly ListedPackage[]
  readonly removed: readonly ListedPackage[]
  readonly changed: readonly ChangedPackage[]
}

/**
 * What came, went and changed its version from left to right. Where one package is there in several versions,
 * those that only one side has are paired in their order.
 */
export function compareSboms(left: PackageList, right: PackageList): SbomComparison {
  const [before, after] = [group(left), group(right)]
  const result = {
    added: [] as ListedPackage[],
    removed: [] as ListedPackage[],
    changed: [] as ChangedPackage[],
  }
  for (const key of [...new Set([...before.keys(), ...after.keys()])].toSorted()) {
    const { type, name } = (before.get(key) ?? after.get(key)) as Group
    const gone = onlyIn(before.get(key), after.get(key), type)
    const come = onlyIn(after.get(key), before.get(key), type)
    const pairs = Math.min(gone.length, come.length)
    for (let index = 0; index < pairs; index++) {
      result.changed.push({ type, name, before: gone[index] as string, after: come[index] as string })
    }
    for (const version of gone.slice(pairs)) result.removed.push({ type, name, version })
    for (const version of come.slice(pairs)) result.added.push({ type, name, version })
  }
  return result
}

interface Group {
  readonly type: PackageType
  readonly name: string
  readonly versions: Set<string>
}

function group({ packages }: PackageList): ReadonlyMap<string, Group> {
  const groups = new Map<string, Group>()
  for (const { type, name, version } of packages) {
    const key = `${type} ${name}`
    const known = groups.get(key) ?? { type, name, versions: new Set() }
    known.versions.add(version)
    groups.set(key, known)
  }
  return groups
}

function onlyIn(one: Group | undefined, other: Group | undefined, type: PackageType): string[] {
  return [...(one?.versions ?? [])]
    .filter((version) => !other?.versions.has(version))
    .toSorted(versionOrders[type])
}
