import { matchInventory } from '../../src/scanning/matching/match-inventory.ts'
import type { Finding, InstalledPackage } from '../../src/scanning/types.ts'
import type { VulnerabilityDatabase } from '../../src/scanning/vulndb/open-vulnerability-database.ts'
import type { Ecosystem } from './ecosystems.ts'
import { boundsOf, expectFindings, type Expected } from './expect-findings.ts'
import type { Statement } from './read-records.ts'
import type { Places } from './reference-orders.ts'
import { shuffled, take } from './sampling.ts'

/** Of one package: a kernel has thousands. */
const boundsOfPackage = 40
const listedOfPackage = 20
const pairsAtOnce = 2000

/** What came of the sample of one ecosystem. */
export interface FindingTally {
  readonly title: string
  readonly orderTitle: string
  packages: number
  pairs: number
  expected: number
  found: number
  reported: number
  right: number
  /** Findings whose fixed version was compared, and those that named the one that the records name. */
  fixes: number
  rightFixes: number
  readonly differences: string[]
}

/** One version of one package, and what the records say of it. */
interface Sample {
  readonly installed: InstalledPackage
  readonly expected: Expected
  readonly places: Places
}

/** Asks the product about a sample of versions, and compares with what the records say. */
export function measureFindings(
  ecosystem: Ecosystem,
  statements: readonly Statement[],
  database: VulnerabilityDatabase,
  pairs: number,
): FindingTally {
  const { title, orderTitle } = ecosystem
  const samples = sampleOf(ecosystem, statements, pairs)
  const tally: FindingTally = {
    title,
    orderTitle,
    packages: new Set(samples.map(({ installed }) => installed.name)).size,
    pairs: samples.length,
    expected: 0,
    found: 0,
    reported: 0,
    right: 0,
    fixes: 0,
    rightFixes: 0,
    differences: [],
  }
  for (let at = 0; at < samples.length; at += pairsAtOnce) {
    const part = samples.slice(at, at + pairsAtOnce)
    const findings = findingsOf(ecosystem, part, database)
    for (const sample of part) compare(sample, findings.get(sample.installed.path) ?? [], tally)
  }
  return tally
}

function sampleOf(ecosystem: Ecosystem, statements: readonly Statement[], pairs: number): readonly Sample[] {
  // A build of a module stands for itself: each stream of a package is sampled as if it were one of its own.
  const groups = [...Map.groupBy(statements, (one) => `${one.package}\0${one.stream ?? ''}`).values()].filter(
    (group) => group[0]?.stream !== '',
  )
  const chosen: { readonly group: readonly Statement[]; readonly versions: readonly string[] }[] = []
  let count = 0
  for (const group of shuffled(groups)) {
    const versions = versionsToTry(ecosystem, group)
    if (count >= pairs) break
    if (versions.length === 0) continue
    count += versions.length
    chosen.push({ group, versions })
  }
  const order = ecosystem.order(
    chosen.map(({ group, versions }) => [
      ...new Set([...versions, ...boundsOf(group), ...group.flatMap((one) => one.versions)]),
    ]),
  )
  return chosen.flatMap(({ group, versions }, index) =>
    samplesOf(ecosystem, group, versions, order[index] as Places, index),
  )
}

function versionsToTry(ecosystem: Ecosystem, group: readonly Statement[]): readonly string[] {
  const near = take(boundsOf(group), boundsOfPackage).flatMap((bound) => ecosystem.near(bound))
  const listed = take([...new Set(group.flatMap(({ versions }) => versions))], listedOfPackage)
  return [...new Set([...near, ...listed])].filter((version) => !/[\s"]/.test(version))
}

function samplesOf(
  ecosystem: Ecosystem,
  group: readonly Statement[],
  versions: readonly string[],
  places: Places,
  index: number,
): readonly Sample[] {
  const expected = expectFindings(group, versions, places)
  const [{ package: name, stream }] = group as [Statement]
  return [...expected].map(([version, expected], at) => {
    const path = `sample/${index}/${at}`
    const given = ecosystem.installed?.(version, name) ?? version
    const module = stream === undefined ? {} : { module: `${stream}:9:1` }
    const installed = { type: ecosystem.type, name, version: given, purl: path, path, layer: 0, ...module }
    return { installed, expected, places }
  })
}

function findingsOf(
  { operatingSystem }: Ecosystem,
  samples: readonly Sample[],
  database: VulnerabilityDatabase,
): ReadonlyMap<string, readonly Finding[]> {
  const inventory = {
    ...(operatingSystem ? { operatingSystem } : {}),
    layers: [{ digest: 'sha256:0', diffId: 'sha256:0' }],
    packages: samples.map(({ installed }) => installed),
    unknowns: [],
  }
  const { findings, gaps } = matchInventory(inventory, database)
  if (gaps.length > 0) throw new Error(`nothing speaks for ${gaps.map((gap) => gap.ecosystem).join(', ')}`)
  return Map.groupBy(findings, ({ path }) => path)
}

function compare(
  { installed, expected, places }: Sample,
  findings: readonly Finding[],
  tally: FindingTally,
): void {
  const note = (what: string): void =>
    void tally.differences.push(`${installed.name} ${installed.version}: ${what}`)
  const named = findings.map((finding) => ({ finding, names: new Set([finding.id, ...finding.aliases]) }))
  for (const id of expected.fixes.keys()) {
    tally.expected++
    if (named.some(({ names }) => names.has(id))) tally.found++
    else note(`${id} is missing`)
  }
  for (const { finding, names } of named) {
    tally.reported++
    const ids = [...expected.fixes.keys()].filter((id) => names.has(id))
    if (ids.length === 0) {
      note(`${finding.id} is not what the records say`)
      continue
    }
    tally.right++
    const fixes = ids.map((id) => expected.fixes.get(id)).filter((fix) => fix !== undefined)
    const wanted = fixes.length === 0 ? undefined : Math.min(...fixes)
    const given = finding.fixedVersion === undefined ? undefined : places.get(finding.fixedVersion)
    tally.fixes++
    if (wanted === given) tally.rightFixes++
    else note(`${finding.id} is said to be fixed in ${finding.fixedVersion}`)
  }
}
