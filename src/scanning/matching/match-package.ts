import type { FixState, InstalledPackage, Severity } from '../types.ts'
import { severities } from '../types.ts'
import { versionOrders, type CompareVersions } from '../versions/index.ts'
import { severityOf, severityOfWord } from '../vulndb/cvss.ts'
import type { CveKnowledge, VulnerabilityDatabase } from '../vulndb/open-vulnerability-database.ts'
import type { AffectedPackage } from '../vulndb/tables.ts'
import { isSameModule } from './modules.ts'
import { nameToMatch, versionToMatch } from './ecosystem.ts'
import { matchVersion, type RangeMatch } from './evaluate-ranges.ts'

/** A vulnerability of a version of a package, wherever it is installed. */
export interface PackageMatch extends Omit<CveKnowledge, 'severity'> {
  readonly id: string
  readonly aliases: readonly string[]
  readonly severity: Severity
  readonly summary: string
  readonly fixedVersion?: string
  readonly fixState: FixState
  readonly source: string
}

/** One advisory's claim about the package. */
interface Claim {
  /** Names of the same vulnerability. */
  readonly names: readonly string[]
  readonly advisory: AffectedPackage
  readonly match: RangeMatch
}

/** The vulnerabilities of a package, each once however many advisories name it. */
export function matchPackage(
  installed: InstalledPackage,
  ecosystem: string,
  database: VulnerabilityDatabase,
): readonly PackageMatch[] {
  const compare = versionOrders[installed.type]
  const version = versionToMatch(installed)
  const advisories = database
    .affecting(ecosystem, nameToMatch(installed, ecosystem))
    .filter((advisory) => isSameModule(installed, advisory))
  const ruledOut = namesRuledOut(advisories)
  const claims = advisories.flatMap((advisory): Claim[] => {
    if (advisory.state === 'not-affected') return []
    const match = matchVersion(advisory, version, compare)
    if (!match) return []
    return vulnerabilitiesOf(advisory, database)
      .filter((names) => !names.some((name) => ruledOut.has(name)))
      .map((names) => ({ names, advisory, match }))
  })
  return groupClaims(claims).map((group) => makeMatch(group, database, compare))
}

function namesRuledOut(advisories: readonly AffectedPackage[]): ReadonlySet<string> {
  const ruling = advisories.filter(({ state }) => state === 'not-affected')
  return new Set(ruling.flatMap(({ id, aliases, covers }) => [id, ...aliases, ...covers].flatMap(spellings)))
}

/** Each vulnerability that an advisory is about, under all its names. */
function vulnerabilitiesOf(
  advisory: AffectedPackage,
  database: VulnerabilityDatabase,
): readonly (readonly string[])[] {
  if (advisory.covers.length > 0) return advisory.covers.map((cve) => [cve])
  const names = [advisory.id, ...advisory.aliases].flatMap(spellings)
  if (names.some(isCve)) return [names]
  const known = names.map((name) => database.cveOf(name)).find((cve) => cve !== undefined)
  return [known === undefined ? names : [...names, known]]
}

/** Distributions put their own word in front: `DEBIAN-CVE-2024-1`, `ALPINE-CVE-…`. */
function spellings(name: string): readonly string[] {
  const cve = /^[A-Z]+-(CVE-\d{4}-\d+)$/.exec(name)?.[1]
  return cve === undefined ? [name] : [name, cve]
}

function isCve(name: string): boolean {
  return name.startsWith('CVE-')
}

/** Claims that share a name, directly or by way of others, are about one vulnerability. */
function groupClaims(claims: readonly Claim[]): readonly (readonly Claim[])[] {
  const groups = new Map<string, Claim[]>()
  for (const claim of claims) {
    const joined = new Set(claim.names.map((name) => groups.get(name)).filter((group) => group !== undefined))
    const [into = [], ...others] = joined
    into.push(claim)
    for (const other of others) into.push(...other)
    const names = others.length === 0 ? claim.names : into.flatMap((one) => one.names)
    for (const name of names) groups.set(name, into)
  }
  return [...new Set(groups.values())]
}

function makeMatch(
  claims: readonly Claim[],
  database: VulnerabilityDatabase,
  compare: CompareVersions,
): PackageMatch {
  const names = [...new Set(claims.flatMap((claim) => claim.names))]
  const id = names.toSorted(byPreference)[0] as string
  const known = database.knowledgeOf(id)
  const advisories = claims.map(({ advisory }) => advisory)
  const score = highest(advisories.map((advisory) => advisory.score)) ?? known?.score
  const notices = advisories.filter(({ covers }) => covers.length > 0).map((advisory) => advisory.id)
  const fix = joinFixes(claims, compare)
  return {
    id,
    aliases: [...new Set([...names, ...notices])].filter((name) => name !== id),
    severity: joinSeverity(advisories, score, known),
    ...(score === undefined ? {} : { score }),
    summary: advisories.map(({ summary }) => summary).find((summary) => summary !== '') ?? '',
    ...fix,
    ...(known?.epss ? { epss: known.epss } : {}),
    ...(known?.exploitedSince === undefined ? {} : { exploitedSince: known.exploitedSince }),
    source: (advisories[0] as AffectedPackage).source,
  }
}

/** CVE ids first, then GitHub's, each in the order of their text. */
function byPreference(left: string, right: string): number {
  return rankOf(left) - rankOf(right) || (left < right ? -1 : 1)
}

function rankOf(name: string): number {
  return isCve(name) ? 0 : name.startsWith('GHSA-') ? 1 : 2
}

function highest(scores: readonly (number | undefined)[]): number | undefined {
  const known = scores.filter((score) => score !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}

/** The worst word of the advisories themselves; without one that of the lists by CVE, then what the score says. */
function joinSeverity(
  advisories: readonly AffectedPackage[],
  score: number | undefined,
  known: CveKnowledge | undefined,
): Severity {
  const words = new Set(advisories.map(({ severity }) => severityOfWord(severity)))
  const worst = severities.find((severity) => words.has(severity))
  if (worst) return worst
  const isScored = advisories.some((advisory) => advisory.score !== undefined)
  return severityOf(isScored ? undefined : known?.severity, score)
}

const statesByWeight: readonly FixState[] = ['end-of-life', 'will-not-fix', 'deferred', 'unfixed']

/** The lowest fix that any of them names; without one the most that any of them says. */
function joinFixes(
  claims: readonly Claim[],
  compare: CompareVersions,
): Pick<PackageMatch, 'fixedVersion' | 'fixState'> {
  // A source that gives a state says that the fix its range ends with is not to be had.
  const fixes = claims
    .filter(({ advisory }) => advisory.state === undefined)
    .map(({ match }) => match.fixedVersion)
    .filter((fixed) => fixed !== undefined)
  const [fixedVersion] = fixes.toSorted(compare)
  if (fixedVersion !== undefined) return { fixedVersion, fixState: 'fixed' }
  const states = claims.map(
    ({ advisory, match }): string => advisory.state ?? (match.hasOtherEnd ? 'unknown' : 'unfixed'),
  )
  return { fixState: statesByWeight.find((state) => states.includes(state)) ?? 'unknown' }
}
