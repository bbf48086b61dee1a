import { setImmediate } from 'node:timers/promises'
import type { Database, DatabaseTransaction } from '../database/index.ts'
import { enqueueJob, type RunningJob } from '../jobs/index.ts'
import type { Clock } from '../kernel/clock.ts'
import { saveCoverage } from './coverage.ts'
import { matchInventory } from './matching/match-inventory.ts'
import { findScan, formatFindings, saveReport } from './store.ts'
import type { Finding, FindingReport } from './types.ts'
import type { VulnerabilityDatabase, VulnerabilityDatabases } from './vulndb/open-vulnerability-database.ts'
import type { DatabaseChange } from './vulndb/package-state.ts'

/** Images that one transaction writes. */
const batchSize = 100
/** Names that one query asks for: two values each, below what SQLite and PostgreSQL take. */
const namesAtOnce = 400

export interface RematchParts {
  readonly database: Database
  readonly clock: Clock
  readonly vulnerabilities: VulnerabilityDatabases
  /** Has an image judged, in the transaction of what was found. */
  readonly requestJudgement: (transaction: DatabaseTransaction, digest: string, now: number) => Promise<void>
  /** Tells of findings that an image did not have before, in the transaction that writes them. */
  readonly tellOfFindings: (transaction: DatabaseTransaction, change: FindingsChange) => Promise<void>
  /** New work was committed. */
  readonly wake: () => void
}

/** Findings that the newest advisories brought to a stored image. */
export interface FindingsChange {
  readonly digest: string
  readonly databaseVersion: string
  readonly added: readonly Finding[]
  readonly at: number
}

/** Has stored inventories matched again: the vulnerability database was replaced. */
export async function requestRematch(transaction: DatabaseTransaction, now: number): Promise<void> {
  await enqueueJob(transaction, { kind: 'rematch', dedupeKey: 'all', now })
}

/**
 * Job: brings every report to the database in use; no layer is read. Only images that hold a package about
 * which the database says something else than before are matched; the other reports are as good as new. What
 * was brought up to date stays so when the job is ended and runs again.
 */
export async function rematchJob(parts: RematchParts, job: RunningJob): Promise<void> {
  const vulnerabilities = parts.vulnerabilities.current()
  if (!vulnerabilities) return
  await parts.database.transaction().execute(async (transaction) => {
    await saveCoverage(transaction, vulnerabilities)
  })
  await matchUnmatched(parts, vulnerabilities, job.signal)
  const versions = await parts.database
    .selectFrom('finding_report')
    .select('database_version as version')
    .distinct()
    .where('database_version', '!=', vulnerabilities.version)
    .execute()
  for (const { version } of versions) {
    const change = parts.vulnerabilities.changedSince(version)
    const digests = change
      ? await digestsHolding(parts.database, change)
      : await digestsMatchedWith(parts.database, version)
    await matchAgain(parts, vulnerabilities, digests, job.signal)
    if (change) await carryOver(parts.database, version, vulnerabilities, parts.clock.now())
  }
  await judgeWaiting(parts)
  parts.wake()
}

/** Images that were scanned when there was no database yet. */
async function matchUnmatched(
  parts: RematchParts,
  vulnerabilities: VulnerabilityDatabase,
  signal: AbortSignal,
): Promise<void> {
  const rows = await parts.database
    .selectFrom('scan')
    .leftJoin('finding_report', 'finding_report.digest', 'scan.digest')
    .select('scan.digest')
    .where('scan.state', '=', 'done')
    .where('finding_report.digest', 'is', null)
    .orderBy('scan.digest')
    .execute()
  const digests = rows.map(({ digest }) => digest)
  await matchAgain(parts, vulnerabilities, digests, signal)
}

async function digestsMatchedWith(database: Database, version: string): Promise<string[]> {
  const rows = await database
    .selectFrom('finding_report')
    .select('digest')
    .where('database_version', '=', version)
    .orderBy('digest')
    .execute()
  return rows.map(({ digest }) => digest)
}

/** Images that hold a package about which the databases differ. */
async function digestsHolding(database: Database, change: DatabaseChange): Promise<string[]> {
  const digests = new Set<string>()
  const add = (rows: readonly { digest: string }[]): void => {
    for (const { digest } of rows) digests.add(digest)
  }
  const holding = database
    .selectFrom('known_package')
    .innerJoin('image_package', 'image_package.package_key', 'known_package.key')
    .select('digest')
    .distinct()
  if (change.ecosystems.length > 0) add(await holding.where('ecosystem', 'in', change.ecosystems).execute())
  const byEcosystem = Map.groupBy(change.packages, ({ ecosystem }) => ecosystem)
  for (const [ecosystem, packages] of byEcosystem) {
    const names = packages.map((one) => one.package)
    for (let at = 0; at < names.length; at += namesAtOnce) {
      const some = names.slice(at, at + namesAtOnce)
      add(await holding.where('ecosystem', '=', ecosystem).where('filed_under', 'in', some).execute())
    }
  }
  return [...digests].toSorted()
}

async function matchAgain(
  parts: RematchParts,
  vulnerabilities: VulnerabilityDatabase,
  digests: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (let at = 0; at < digests.length; at += batchSize) {
    if (signal.aborted) throw new Error('matching was interrupted')
    await matchBatch(parts, vulnerabilities, digests.slice(at, at + batchSize))
  }
}

async function matchBatch(
  { database, clock, requestJudgement, tellOfFindings }: RematchParts,
  vulnerabilities: VulnerabilityDatabase,
  digests: readonly string[],
): Promise<void> {
  const reports = new Map<string, FindingReport>()
  const scannedAt = new Map<string, number>()
  for (const digest of digests) {
    const scan = await findScan(database, digest)
    if (scan?.inventory) {
      reports.set(digest, matchInventory(scan.inventory, vulnerabilities))
      scannedAt.set(digest, scan.scannedAt)
    }
    // Requests are answered in between.
    await setImmediate()
  }
  const before = await storedFindings(database, digests)
  const same = new Set(
    [...reports].filter(([digest, report]) => isSame(before.get(digest), report)).map(([digest]) => digest),
  )
  const now = clock.now()
  await database.transaction().execute(async (transaction) => {
    // What was scanned again meanwhile was matched by that scan, with what it found.
    for (const digest of await scannedSince(transaction, scannedAt)) {
      reports.delete(digest)
      same.delete(digest)
    }
    for (const [digest, report] of reports) {
      if (same.has(digest)) continue
      const added = newFindings(before.get(digest), report)
      await saveReport(transaction, digest, report, now)
      await requestJudgement(transaction, digest, now)
      if (added.length === 0) continue
      const { databaseVersion } = report
      await tellOfFindings(transaction, { digest, databaseVersion, added, at: now })
    }
    if (same.size > 0) await renew(transaction, vulnerabilities, now, [...same])
  })
}

/** Images whose scan is no longer the one of that time. */
async function scannedSince(
  transaction: DatabaseTransaction,
  scannedAt: ReadonlyMap<string, number>,
): Promise<string[]> {
  if (scannedAt.size === 0) return []
  const rows = await transaction
    .selectFrom('scan')
    .select(['digest', 'scanned_at'])
    .where('digest', 'in', [...scannedAt.keys()])
    .execute()
  const now = new Map(rows.map((row) => [row.digest, row.scanned_at]))
  return [...scannedAt].flatMap(([digest, at]) => (now.get(digest) === at ? [] : [digest]))
}

/** What is stored of findings, as text: most of it need not be read. */
async function storedFindings(
  database: Database,
  digests: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await database
    .selectFrom('finding_report')
    .select(['digest', 'findings'])
    .where('digest', 'in', digests)
    .execute()
  return new Map(rows.map(({ digest, findings }) => [digest, findings]))
}

/** Findings that were not there before; none when the image is matched for the first time. */
function newFindings(stored: string | undefined, report: FindingReport): Finding[] {
  if (stored === undefined) return []
  const known = new Set((JSON.parse(stored) as FindingReport).findings.map(keyOf))
  return report.findings.filter((finding) => finding.removedBy === undefined && !known.has(keyOf(finding)))
}

function keyOf({ id, purl, path }: Finding): string {
  return `${id} ${purl} ${path}`
}

/** Writes that reports hold for the database in use. */
async function renew(
  transaction: DatabaseTransaction,
  { version, builtAt }: VulnerabilityDatabase,
  now: number,
  digests: readonly string[],
): Promise<void> {
  await transaction
    .updateTable('finding_report')
    .set({ database_version: version, database_built_at: builtAt, matched_at: now })
    .where('digest', 'in', digests)
    .execute()
}

/** The dates of what covers an image move with every database and change nothing of what was found. */
function isSame(stored: string | undefined, report: FindingReport): boolean {
  if (stored === undefined) return false
  const text = formatFindings(report)
  const end = (one: string): number => one.lastIndexOf('],"coverage":')
  return stored.slice(0, end(stored)) === text.slice(0, end(text))
}

/** Reports of the other images are what matching again would give. */
async function carryOver(
  database: Database,
  version: string,
  vulnerabilities: VulnerabilityDatabase,
  now: number,
): Promise<void> {
  await database
    .updateTable('finding_report')
    .set({
      database_version: vulnerabilities.version,
      database_built_at: vulnerabilities.builtAt,
      matched_at: now,
    })
    .where('database_version', '=', version)
    .execute()
}

/** What is not cleared may wait for nothing but a younger database. */
async function judgeWaiting({ database, clock, requestJudgement }: RematchParts): Promise<void> {
  await database.transaction().execute(async (transaction) => {
    const waiting = await transaction
      .selectFrom('finding_report')
      .innerJoin('verdict', 'verdict.digest', 'finding_report.digest')
      .select('finding_report.digest')
      .distinct()
      .where('verdict.state', '!=', 'cleared')
      .execute()
    for (const { digest } of waiting) await requestJudgement(transaction, digest, clock.now())
  })
}
