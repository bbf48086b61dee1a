import type { Database, DatabaseTransaction } from '../database/index.ts'
import { enqueueJob } from '../jobs/index.ts'
import { renewCoverage } from './coverage.ts'
import { indexPackages } from './packages/index-packages.ts'
import type { FindingReport, Inventory } from './types.ts'

type Handle = Database | DatabaseTransaction

/** The last scan of an image. */
export interface Scan {
  readonly state: 'done' | 'failed'
  readonly inventory: Inventory | undefined
  /** Why it could not be scanned. */
  readonly error: string | undefined
  readonly scannedAt: number
}

export async function findScan(database: Handle, digest: string): Promise<Scan | undefined> {
  const row = await database.selectFrom('scan').selectAll().where('digest', '=', digest).executeTakeFirst()
  return (
    row && {
      state: row.state,
      inventory: row.state === 'done' ? (JSON.parse(row.inventory) as Inventory) : undefined,
      error: row.error ?? undefined,
      scannedAt: row.scanned_at,
    }
  )
}

export async function findReport(database: Handle, digest: string): Promise<FindingReport | undefined> {
  const row = await database
    .selectFrom('finding_report')
    .selectAll()
    .where('digest', '=', digest)
    .executeTakeFirst()
  if (!row) return undefined
  const { findings, gaps, coverage } = JSON.parse(row.findings) as Pick<
    FindingReport,
    'findings' | 'gaps' | 'coverage'
  >
  return {
    databaseVersion: row.database_version,
    databaseBuiltAt: row.database_built_at,
    findings,
    gaps,
    coverage: await renewCoverage(database, coverage ?? []),
  }
}

export async function saveScan(
  transaction: DatabaseTransaction,
  digest: string,
  scan: { readonly inventory: Inventory } | { readonly error: string },
  now: number,
): Promise<void> {
  const values =
    'inventory' in scan
      ? { state: 'done' as const, inventory: JSON.stringify(scan.inventory), error: null, scanned_at: now }
      : { state: 'failed' as const, inventory: '{}', error: scan.error, scanned_at: now }
  await transaction
    .insertInto('scan')
    .values({ digest, ...values })
    .onConflict((conflict) => conflict.column('digest').doUpdateSet(values))
    .execute()
  if ('inventory' in scan) await indexPackages(transaction, digest, scan.inventory)
}

/** The findings of a report as they are stored: the same findings always give the same text. */
export function formatFindings({ findings, gaps, coverage }: FindingReport): string {
  return JSON.stringify({ findings, gaps, coverage })
}

export async function saveReport(
  transaction: DatabaseTransaction,
  digest: string,
  report: FindingReport,
  now: number,
): Promise<void> {
  const values = {
    database_version: report.databaseVersion,
    database_built_at: report.databaseBuiltAt,
    findings: formatFindings(report),
    matched_at: now,
  }
  await transaction
    .insertInto('finding_report')
    .values({ digest, ...values })
    .onConflict((conflict) => conflict.column('digest').doUpdateSet(values))
    .execute()
}

/** Has an image scanned, in the transaction of what makes it necessary. */
export async function requestScan(
  transaction: DatabaseTransaction,
  digest: string,
  now: number,
): Promise<void> {
  await enqueueJob(transaction, { kind: 'scan', dedupeKey: digest, now })
}
