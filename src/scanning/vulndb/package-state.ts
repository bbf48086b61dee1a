import { hash } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'

/** A package under the names by which advisories are filed. */
export interface PackageKey {
  readonly ecosystem: string
  readonly package: string
}

/** What two versions of the database differ in, as far as matching goes. */
export interface DatabaseChange {
  /** Ecosystems that some source speaks for in one version and none in the other. */
  readonly ecosystems: readonly string[]
  /** Packages whose advisories, or what is known of their CVEs, changed. */
  readonly packages: readonly PackageKey[]
}

/**
 * Writes for each package a digest of all that its findings could come from, so that two versions can be
 * compared without reading advisories. An exploit score counts by tenths: all of them change a little every day.
 */
export function writePackageStates(database: DatabaseSync): void {
  const facts = readFacts(database)
  const insert = database.prepare('insert into package_state values (?, ?, ?)')
  database.exec('begin; delete from package_state')
  let current: PackageKey | undefined
  let rows: string[] = []
  const flush = (): void => {
    if (!current) return
    // Rows come in the order in which sources were imported, which is not the same in every database.
    const digest = hash('sha256', rows.toSorted().join('\n'), 'base64url').slice(0, 22)
    insert.run(current.ecosystem, current.package, digest)
    rows = []
  }
  for (const row of readRows(database)) {
    if (row.ecosystem !== current?.ecosystem || row.package !== current.package) {
      flush()
      current = { ecosystem: row.ecosystem, package: row.package }
    }
    const known = cvesOf(row).map((cve) => facts.get(cve) ?? '')
    rows.push(hash('sha256', JSON.stringify([row.content, known]), 'base64url'))
  }
  flush()
  database.exec('commit')
}

interface AdvisoryRow extends PackageKey {
  readonly names: string
  readonly content: string
}

function readRows(database: DatabaseSync): Iterable<AdvisoryRow> {
  return database
    .prepare(
      `select ecosystem, package, id || ' ' || aliases || ' ' || covers as names,
         json_array(id, source, aliases, covers, severity, score, summary, ranges, versions, state, module)
           as content
       from affected join advisory on advisory.key = affected.advisory order by ecosystem, package`,
    )
    .iterate() as unknown as Iterable<AdvisoryRow>
}

function cvesOf({ names }: AdvisoryRow): readonly string[] {
  return [...new Set(names.match(/CVE-\d{4}-\d{4,12}/g))].toSorted()
}

function readFacts(database: DatabaseSync): ReadonlyMap<string, string> {
  const rows = database
    .prepare(
      `select id, coalesce(severity, '') || ' ' || coalesce(score, '') || ' ' || coalesce(exploited_since, '')
         || ' ' || coalesce(cast(probability * 10 as integer), '') as fact from cve order by id, source`,
    )
    .iterate() as unknown as Iterable<{ id: string; fact: string }>
  const facts = new Map<string, string>()
  for (const { id, fact } of rows) facts.set(id, `${facts.get(id) ?? ''};${fact}`)
  return facts
}

/** What is different in `after`. Both lists of digests are walked side by side, in their order. */
export function compareDatabases(before: DatabaseSync, after: DatabaseSync): DatabaseChange {
  const ecosystems = symmetricDifference(readEcosystems(before), readEcosystems(after))
  const packages: PackageKey[] = []
  const [left, right] = [readStates(before), readStates(after)]
  let [old, next] = [take(left), take(right)]
  while (old || next) {
    const order = !old ? 1 : !next ? -1 : compareKeys(old, next)
    const key = (order <= 0 ? old : next) as PackageState
    if (order !== 0 || old?.digest !== next?.digest)
      packages.push({ ecosystem: key.ecosystem, package: key.package })
    if (order <= 0) old = take(left)
    if (order >= 0) next = take(right)
  }
  return { ecosystems, packages }
}

interface PackageState extends PackageKey {
  readonly digest: string
}

function readStates(database: DatabaseSync): Iterator<PackageState> {
  const rows = database
    .prepare('select ecosystem, package, digest from package_state order by ecosystem, package')
    .iterate()
  return rows as unknown as Iterator<PackageState>
}

function take(rows: Iterator<PackageState>): PackageState | undefined {
  const { done, value } = rows.next()
  return done ? undefined : value
}

/** In the order of SQLite's text, which is that of the UTF-8 bytes. */
function compareKeys(left: PackageKey, right: PackageKey): number {
  return compareBytes(left.ecosystem, right.ecosystem) || compareBytes(left.package, right.package)
}

function compareBytes(left: string, right: string): number {
  return left === right ? 0 : Buffer.compare(Buffer.from(left), Buffer.from(right))
}

function readEcosystems(database: DatabaseSync): ReadonlySet<string> {
  const rows = database.prepare('select distinct ecosystem from coverage').all()
  return new Set(rows.map((row) => (row as { ecosystem: string }).ecosystem))
}

function symmetricDifference(left: ReadonlySet<string>, right: ReadonlySet<string>): readonly string[] {
  return [...left.symmetricDifference(right)].toSorted()
}
