import type {
  Coverage,
  CoverageGap,
  Finding,
  FindingReport,
  FixState,
  InstalledPackage,
  Inventory,
  RemovedPackage,
  Severity,
} from '../types.ts'
import { severities } from '../types.ts'
import type { VulnerabilityDatabase } from '../vulndb/open-vulnerability-database.ts'
import { ecosystemOf, findThirdParty, nameToMatch, versionToMatch } from './ecosystem.ts'
import { matchPackage, type PackageMatch } from './match-package.ts'
import { findPastEnd } from './release-ends.ts'

/** Matches that are kept for the next image that has the same version of a package. */
const maximumCached = 300_000

/**
 * Matches what an image holds against the database. Packages that no source speaks for are gaps, never clean.
 * What a later layer removed is matched too, as findings that do not count.
 */
export function matchInventory(inventory: Inventory, database: VulnerabilityDatabase): FindingReport {
  const tally = new Tally(database)
  const findings = new FindingList(inventory, database)
  for (const installed of inventory.packages) {
    const ecosystem = ecosystemOf(installed, inventory.operatingSystem)
    const gap = findGap(installed, ecosystem, inventory, database)
    tally.count(gap ?? ecosystem, gap === undefined)
    if (gap === undefined) findings.add(installed, ecosystem)
  }
  for (const removed of inventory.removed ?? []) {
    const ecosystem = ecosystemOf(removed, inventory.operatingSystem)
    if (findGap(removed, ecosystem, inventory, database) === undefined) findings.add(removed, ecosystem)
  }
  return {
    databaseVersion: database.version,
    databaseBuiltAt: database.builtAt,
    findings: findings.sorted(),
    ...tally.report(),
  }
}

/** The name of what is not covered, when the package is none that a source speaks for. */
function findGap(
  installed: InstalledPackage,
  ecosystem: string,
  inventory: Inventory,
  database: VulnerabilityDatabase,
): string | undefined {
  if (!database.covers(ecosystem)) return ecosystem
  const vendor = findThirdParty(installed, inventory.operatingSystem)
  if (vendor !== undefined) return `${ecosystem} (packaged by ${vendor})`
  // Advisories are filed under group and artifact: one without its group would match none and look clean.
  if (installed.type === 'maven' && !installed.name.includes(':')) {
    return `${ecosystem} (${installed.name}, of no known group)`
  }
  // A registry has every package of its language; a list of products has only those that are on it.
  const isUnlisted =
    installed.type === 'generic' &&
    database.affecting(ecosystem, nameToMatch(installed, ecosystem)).length === 0
  return isUnlisted ? `${ecosystem} (${installed.name})` : undefined
}

/** How many packages of which ecosystem, and who speaks for them. */
class Tally {
  readonly #database: VulnerabilityDatabase
  readonly #covered = new Map<string, number>()
  readonly #gaps = new Map<string, number>()

  constructor(database: VulnerabilityDatabase) {
    this.#database = database
  }

  count(ecosystem: string, isCovered: boolean): void {
    const counts = isCovered ? this.#covered : this.#gaps
    counts.set(ecosystem, (counts.get(ecosystem) ?? 0) + 1)
  }

  report(): { readonly gaps: readonly CoverageGap[]; readonly coverage: readonly Coverage[] } {
    const gaps = [...this.#gaps].map(([ecosystem, packages]) => ({
      ecosystem,
      packages,
      ...endOf(ecosystem, this.#database),
    }))
    const coverage = [...this.#covered].flatMap(([ecosystem, packages]) =>
      describeCoverage(ecosystem, this.#database).map((entry) => ({ ...entry, packages })),
    )
    return { gaps, coverage }
  }
}

/** Who speaks for an ecosystem, as of when. */
export function describeCoverage(
  ecosystem: string,
  database: VulnerabilityDatabase,
): readonly Omit<Coverage, 'packages'>[] {
  const sources = new Map(database.sources.map((source) => [source.name, source]))
  return database.covering(ecosystem).map(({ source, builtAt }) => {
    const checkedAt = sources.get(source)?.checkedAt
    return {
      ecosystem,
      source,
      ...(builtAt === 0 ? {} : { builtAt }),
      ...(checkedAt === undefined ? {} : { checkedAt }),
      ...endOf(ecosystem, database),
    }
  })
}

function endOf(ecosystem: string, database: VulnerabilityDatabase): { readonly endOfLife?: string } {
  const endOfLife = findPastEnd(ecosystem, database.importedAt)
  return endOfLife === undefined ? {} : { endOfLife }
}

class FindingList {
  readonly #inventory: Inventory
  readonly #database: VulnerabilityDatabase
  readonly #findings: Finding[] = []
  readonly #added = new Set<string>()

  constructor(inventory: Inventory, database: VulnerabilityDatabase) {
    this.#inventory = inventory
    this.#database = database
  }

  /** Adds what the package has. The same one at the same place counts once; what was removed is another one. */
  add(installed: InstalledPackage | RemovedPackage, ecosystem: string): void {
    const matches = cachedMatches(installed, ecosystem, this.#database)
    if (matches.length === 0) return
    const key = `${installed.purl} ${installed.path} ${'removedIn' in installed ? installed.removedIn : ''}`
    if (this.#added.has(key)) return
    this.#added.add(key)
    const place = placeOf(this.#inventory, installed)
    const isOver = findPastEnd(ecosystem, this.#database.importedAt) !== undefined
    for (const match of matches) {
      const fixState = isOver ? stateAtEnd(match.fixState) : match.fixState
      this.#findings.push({ ...match, ...place, fixState })
    }
  }

  /** The worst first. */
  sorted(): readonly Finding[] {
    return this.#findings.sort(byWeight)
  }
}

/** Nobody mends a release after its end. */
function stateAtEnd(state: FixState): FixState {
  return state === 'unfixed' || state === 'deferred' || state === 'unknown' ? 'end-of-life' : state
}

type Place = Omit<Finding, keyof PackageMatch>

function placeOf(inventory: Inventory, installed: InstalledPackage | RemovedPackage): Place {
  const layer = inventory.layers[installed.layer]
  return {
    packageType: installed.type,
    packageName: installed.name,
    installedVersion: installed.version,
    purl: installed.purl,
    path: installed.path,
    layer: installed.layer,
    layerDigest: layer?.digest ?? '',
    ...(layer?.instruction === undefined ? {} : { instruction: layer.instruction }),
    ...('removedIn' in installed ? { removedBy: removalOf(inventory, installed) } : {}),
  }
}

function removalOf(inventory: Inventory, removed: RemovedPackage): Finding['removedBy'] {
  const layer = inventory.layers[removed.removedIn]
  return {
    layerDigest: layer?.digest ?? '',
    ...(layer?.instruction === undefined ? {} : { instruction: layer.instruction }),
  }
}

interface MatchCache {
  readonly matches: Map<string, readonly PackageMatch[]>
  size: number
}

const caches = new WeakMap<VulnerabilityDatabase, MatchCache>()

/** Images share most of their packages, so each version of one is matched once. */
function cachedMatches(
  installed: InstalledPackage,
  ecosystem: string,
  database: VulnerabilityDatabase,
): readonly PackageMatch[] {
  const cache = caches.get(database) ?? { matches: new Map<string, readonly PackageMatch[]>(), size: 0 }
  caches.set(database, cache)
  const name = nameToMatch(installed, ecosystem)
  const key = [ecosystem, name, versionToMatch(installed), installed.module ?? ''].join('\0')
  const known = cache.matches.get(key)
  if (known) return known
  const matches = matchPackage(installed, ecosystem, database)
  if (cache.size >= maximumCached) {
    cache.matches.clear()
    cache.size = 0
  }
  cache.size += matches.length + 1
  cache.matches.set(key, matches)
  return matches
}

const ranks = Object.fromEntries(severities.map((severity, rank) => [severity, rank])) as Readonly<
  Record<Severity, number>
>

function byWeight(left: Finding, right: Finding): number {
  return (
    ranks[left.severity] - ranks[right.severity] ||
    (right.score ?? 0) - (left.score ?? 0) ||
    compareText(left.id, right.id) ||
    compareText(left.purl, right.purl) ||
    compareText(left.path, right.path)
  )
}

function compareText(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1
}
