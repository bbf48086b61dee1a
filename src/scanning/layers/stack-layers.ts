import type { FileFacts, FoundPackage } from '../catalogers/index.ts'
import { makePurl } from '../make-purl.ts'
import {
  systemPackageTypes,
  type InstalledPackage,
  type Inventory,
  type LayerOrigin,
  type OperatingSystem,
  type RemovedPackage,
  type UnknownFile,
} from '../types.ts'
import { isPackageDatabase } from './package-databases.ts'
import type { LayerChanges } from './read-layer.ts'

interface File {
  readonly layer: number
  readonly facts: FileFacts
  /** For each package of the file, the layer that brought it. */
  readonly origins: ReadonlyMap<string, number>
}

interface Lost {
  readonly path: string
  readonly found: FoundPackage
  readonly layer: number
  readonly removedIn: number
}

type Files = ReadonlyMap<string, File>

/** Puts layers on top of each other, the lowest first, and tells what the image holds in the end. */
export function stackLayers(layers: readonly LayerOrigin[], changes: readonly LayerChanges[]): Inventory {
  let files: Files = new Map()
  const lost: Lost[] = []
  for (const [layer, change] of changes.entries()) {
    const next = applyLayer(files, layer, change)
    lost.push(...findLost(files, next, layer))
    files = next
  }
  const operatingSystem =
    files.get('etc/os-release')?.facts.operatingSystem ??
    files.get('usr/lib/os-release')?.facts.operatingSystem
  const packages = listPackages(files, operatingSystem)
  const present = new Set(packages.map(({ purl, path }) => `${purl} ${path}`))
  const removed = lost
    .map(({ path, found, layer, removedIn }): RemovedPackage => ({
      ...placed(found, path, layer, operatingSystem),
      removedIn,
    }))
    .filter(({ purl, path }) => !present.has(`${purl} ${path}`))
  return {
    ...(operatingSystem ? { operatingSystem } : {}),
    layers,
    packages,
    unknowns: [...listUnknowns(files), ...listTaken(lost, files)],
    ...(removed.length > 0 ? { removed } : {}),
  }
}

function listPackages(files: Files, operatingSystem: OperatingSystem | undefined): InstalledPackage[] {
  const owned = ownedFiles(files)
  const telling = tellingPaths(files)
  const packages: InstalledPackage[] = []
  for (const [path, { layer, facts, origins }] of [...files].sort(byPath)) {
    if (isOutdone(path, facts, telling) || isSecondName(facts, files)) continue
    for (const found of facts.packages ?? []) {
      // What the distribution ships it also patches, under its own package's version.
      if (!systemPackageTypes.includes(found.type) && owned.has(path)) continue
      packages.push(placed(found, path, origins.get(keyOf(found)) ?? layer, operatingSystem))
    }
  }
  return packages
}

/**
 * A hard link to what is still there and tells the same: one file, that one program, counts once. Where the
 * target is itself a link, as in a circle, both count: better twice than not at all.
 */
function isSecondName({ linkTo, packages }: FileFacts, files: Files): boolean {
  const first = linkTo === undefined ? undefined : files.get(linkTo)
  if (!first || first.facts.linkTo !== undefined) return false
  return (packages ?? []).every((found) => first.origins.has(keyOf(found)))
}

/** The paths of files that tell of packages, in their order. */
function tellingPaths(files: Files): string[] {
  return [...files]
    .filter(([, { facts }]) => (facts.packages?.length ?? 0) > 0)
    .map(([path]) => path)
    .toSorted(byText)
}

/** A list of what is to be installed does not count where what is installed tells of itself. */
function isOutdone(path: string, { onlyWithout }: FileFacts, telling: readonly string[]): boolean {
  return (onlyWithout ?? []).some((beginning) => {
    let at = firstNotBefore(telling, beginning)
    if (telling[at] === path) at++
    return telling[at]?.startsWith(beginning) === true
  })
}

/** Index of the first text that does not come before another, in a list in order. */
function firstNotBefore(sorted: readonly string[], text: string): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (byText(sorted[middle] as string, text) < 0) low = middle + 1
    else high = middle
  }
  return low
}

const dpkgFileList = /^var\/lib\/dpkg\/info\/([^/:]+)(?::[^/]+)?\.list$/

/**
 * Paths that the distribution's packages own; dpkg's lists of packages that are not installed say nothing.
 * Where `/lib` and the like are links into `/usr` (usr-merge), a list may name either.
 */
function ownedFiles(files: Files): { has(path: string): boolean } {
  const owned = new Set<string>()
  const installed = new Set<string>()
  for (const { facts } of files.values()) {
    for (const { type, name } of facts.packages ?? []) if (type === 'deb') installed.add(name)
  }
  for (const [path, { facts }] of files) {
    const owner = facts.ownedFiles && dpkgFileList.exec(path)?.[1]
    if (owner !== undefined && !installed.has(owner)) continue
    for (const one of facts.ownedFiles ?? []) owned.add(one)
  }
  return {
    has: (path) => owned.has(path) || owned.has(path.replace(/^usr\//, '')) || owned.has(`usr/${path}`),
  }
}

function listUnknowns(files: Files): UnknownFile[] {
  const owned = ownedFiles(files)
  return [...files]
    .flatMap(([path, { facts }]): UnknownFile[] => {
      // What a program of the distribution is made of, its own package tells: it need not be read.
      const isDatabase = isPackageDatabase(path)
      if (facts.unknown === undefined || isSecondName(facts, files)) return []
      if (owned.has(path) && !isDatabase) return []
      const isLost = (facts.packages?.length ?? 0) === 0 && isDatabase
      return [{ path, reason: facts.unknown, ...(isLost ? { isDatabase: true } : {}) }]
    })
    .toSorted((left, right) => (left.path < right.path ? -1 : 1))
}

/** Package databases that a layer took away and no other replaces: what they listed may well still be there. */
function listTaken(lost: readonly Lost[], files: Files): UnknownFile[] {
  const left = new Set(
    [...files.values()].flatMap(({ facts }) => facts.packages?.map(({ type }) => type) ?? []),
  )
  const taken = lost.filter(
    ({ path, found }) => isPackageDatabase(path) && !left.has(found.type) && !files.has(path),
  )
  return [...new Map(taken.map((one) => [one.path, one])).values()].map(({ path, removedIn }) => ({
    path,
    reason: `layer ${removedIn + 1} took it away, but maybe not what it lists`,
    isDatabase: true,
  }))
}

/** What files had before a layer and no longer have after it; a package that only moved is not lost. */
function findLost(before: Files, after: Files, removedIn: number): Lost[] {
  const lost: Lost[] = []
  let owned: ReturnType<typeof ownedFiles> | undefined
  const telling = tellingPaths(before)
  for (const [path, file] of before) {
    const now = after.get(path)
    if (now === file || isOutdone(path, file.facts, telling)) continue
    for (const found of file.facts.packages ?? []) {
      const key = keyOf(found)
      if (now?.origins.has(key)) continue
      owned ??= ownedFiles(before)
      if (!systemPackageTypes.includes(found.type) && owned.has(path)) continue
      lost.push({ path, found, layer: file.origins.get(key) ?? file.layer, removedIn })
    }
  }
  return lost
}

/** Whiteouts hide what lower layers have, never what the same layer brings. */
function applyLayer(lower: Files, layer: number, change: LayerChanges): Files {
  const hidden = { paths: new Set(change.removed), folders: new Set(change.opaque) }
  const files = new Map([...lower].filter(([path]) => !isHidden(path, hidden)))
  const linked = change.links.flatMap(([path, target]) => {
    const facts = lower.get(target)?.facts
    return facts ? [[path, { ...facts, linkTo: facts.linkTo ?? target }] as const] : []
  })
  for (const [path, facts] of [...change.files, ...linked]) {
    const before = lower.get(path)?.origins
    const origins = new Map(
      (facts.packages ?? []).map((found) => [keyOf(found), before?.get(keyOf(found)) ?? layer] as const),
    )
    files.set(path, { layer, facts, origins })
  }
  return files
}

/** By itself, or with a folder above it. */
function isHidden(
  path: string,
  { paths, folders }: { readonly paths: ReadonlySet<string>; readonly folders: ReadonlySet<string> },
): boolean {
  if (paths.size + folders.size === 0) return false
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    if (paths.has(path.slice(0, slash)) || folders.has(path.slice(0, slash + 1))) return true
  }
  return paths.has(path)
}

function placed(
  { inside, ...found }: FoundPackage,
  path: string,
  layer: number,
  operatingSystem: OperatingSystem | undefined,
): InstalledPackage {
  return {
    ...found,
    purl: makePurl(found, operatingSystem),
    path: inside === undefined ? path : `${path}!/${inside}`,
    layer,
  }
}

function keyOf(found: FoundPackage): string {
  return [found.type, found.name, found.version, found.architecture ?? '', found.inside ?? ''].join(' ')
}

function byPath([left]: readonly [string, File], [right]: readonly [string, File]): number {
  return byText(left, right)
}

function byText(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1
}
