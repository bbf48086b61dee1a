import { PackageURL } from 'packageurl-js'
import type { FileFacts, FoundPackage } from '../catalogers/index.ts'
import type { InstalledPackage, Inventory, LayerOrigin, OperatingSystem, UnknownFile } from '../types.ts'
import type { LayerChanges } from './read-layer.ts'

interface File {
  readonly layer: number
  readonly facts: FileFacts
  /** For each package of the file, the layer that brought it. */
  readonly origins: ReadonlyMap<string, number>
}

const osTypes: readonly string[] = ['deb', 'apk']

/** Puts layers on top of each other, the lowest first, and tells what the image holds in the end. */
export function stackLayers(layers: readonly LayerOrigin[], changes: readonly LayerChanges[]): Inventory {
  let files = new Map<string, File>()
  for (const [layer, change] of changes.entries()) files = applyLayer(files, layer, change)
  const operatingSystem =
    files.get('etc/os-release')?.facts.operatingSystem ??
    files.get('usr/lib/os-release')?.facts.operatingSystem
  const owned = new Set([...files.values()].flatMap(({ facts }) => facts.ownedFiles ?? []))
  const packages: InstalledPackage[] = []
  const unknowns: UnknownFile[] = []
  for (const [path, { layer, facts, origins }] of [...files].sort(([left], [right]) =>
    left < right ? -1 : 1,
  )) {
    if (facts.unknown !== undefined) unknowns.push({ path, reason: facts.unknown })
    for (const found of facts.packages ?? []) {
      // What the distribution ships it also patches, under its own package's version.
      if (!osTypes.includes(found.type) && owned.has(path)) continue
      packages.push({
        ...found,
        purl: purlOf(found, operatingSystem),
        path,
        layer: origins.get(keyOf(found)) ?? layer,
      })
    }
  }
  return { ...(operatingSystem ? { operatingSystem } : {}), layers, packages, unknowns }
}

/** Whiteouts hide what lower layers have, never what the same layer brings. */
function applyLayer(
  lower: ReadonlyMap<string, File>,
  layer: number,
  change: LayerChanges,
): Map<string, File> {
  const removed = new Set(change.removed)
  const files = new Map(
    [...lower].filter(
      ([path]) => !isHidden(path, removed) && !change.opaque.some((folder) => path.startsWith(folder)),
    ),
  )
  for (const [path, facts] of change.files) {
    const before = files.get(path)?.origins
    const origins = new Map(
      (facts.packages ?? []).map((found) => [keyOf(found), before?.get(keyOf(found)) ?? layer] as const),
    )
    files.set(path, { layer, facts, origins })
  }
  return files
}

function isHidden(path: string, removed: ReadonlySet<string>): boolean {
  if (removed.size === 0) return false
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    if (removed.has(path.slice(0, slash))) return true
  }
  return removed.has(path)
}

function keyOf(found: FoundPackage): string {
  return `${found.name} ${found.version} ${found.architecture ?? ''}`
}

/** Package URL (purl-spec, the type definitions of deb, apk, npm, pypi and golang). */
function purlOf(found: FoundPackage, operatingSystem: OperatingSystem | undefined): string {
  const { type, name, version, architecture } = found
  if (type === 'deb' || type === 'apk') {
    const system = operatingSystem?.id ?? (type === 'deb' ? 'debian' : 'alpine')
    const distro = operatingSystem && `${operatingSystem.id}-${operatingSystem.versionId}`
    const qualifiers = { ...(architecture ? { arch: architecture } : {}), ...(distro ? { distro } : {}) }
    return new PackageURL(type, system, name, version, qualifiers, undefined).toString()
  }
  const slash = name.lastIndexOf('/')
  const namespace = slash > 0 ? name.slice(0, slash) : undefined
  return new PackageURL(type, namespace, name.slice(slash + 1), version, undefined, undefined).toString()
}
