import type { Database, DatabaseTransaction } from '../database/index.ts'
import { systemCaller, type Caller, type Identity } from '../identity/index.ts'
import { requestRematch } from './rematch-job.ts'
import type { ImportReport } from './vulndb/import-advisories.ts'
import type { VulnerabilityDatabases } from './vulndb/open-vulnerability-database.ts'
import { updateFromFeeds, type FeedSettings } from './vulndb/update-from-feeds.ts'

/** What became of the vulnerability database, for those who want to know. */
export interface DatabaseEvent {
  readonly kind: 'updated' | 'failed'
  readonly version: string
  readonly sources: readonly { readonly name: string; readonly records: number }[]
  readonly failed: readonly { readonly name: string; readonly error: string }[]
  readonly at: number
}

export interface UpdateParts {
  readonly database: Database
  readonly identity: Identity
  readonly vulnerabilities: VulnerabilityDatabases
  readonly vulndbFolder: string
  readonly feeds: FeedSettings
  /** Tells of it, in the transaction that writes it down. */
  readonly tellOfDatabase: (transaction: DatabaseTransaction, event: DatabaseEvent) => Promise<void>
  /** New work was committed. */
  readonly wake: () => void
}

type Done = Pick<ImportReport, 'version' | 'failed'> & {
  readonly sources: readonly { readonly name: string; readonly records: number }[]
}

/** Asks the feeds for what is new. Throws VULNDB_FEED when nothing could be had and nothing is there. */
export async function updateDatabase(parts: UpdateParts, caller: Caller): Promise<ImportReport> {
  try {
    const report = await updateFromFeeds(parts.vulndbFolder, parts.feeds)
    await noteDatabase(parts, caller, 'vulndb.update', report)
    return report
  } catch (error) {
    const failed = [{ name: 'update', error: (error as Error).message }]
    const event = {
      kind: 'failed' as const,
      version: '',
      sources: [],
      failed,
      at: parts.identity.clock.now(),
    }
    await parts.database.transaction().execute((transaction) => parts.tellOfDatabase(transaction, event))
    parts.wake()
    throw error
  }
}

/** Job: the update of those who want it done by itself. */
export async function updateDatabaseJob(parts: UpdateParts): Promise<void> {
  await updateDatabase(parts, systemCaller('vulndb'))
}

/** Writes down that another database is in use, and has stored inventories matched with it. */
export async function noteDatabase(
  { database, identity, tellOfDatabase, wake }: UpdateParts,
  caller: Caller,
  action: string,
  { version, sources, failed = [] }: Done,
): Promise<void> {
  const at = identity.clock.now()
  await database.transaction().execute(async (transaction) => {
    const named = sources.map(({ name, records }) => `${name} (${records})`)
    await identity.audit(transaction, caller, action, version, { sources: named })
    if (sources.length > 0) {
      await tellOfDatabase(transaction, { kind: 'updated', version, sources, failed, at })
    }
    if (failed.length > 0) {
      await tellOfDatabase(transaction, { kind: 'failed', version, sources, failed, at })
    }
    // Also when nothing is new: feeds that were asked just now are as good as new, which rules may want.
    await requestRematch(transaction, at)
  })
  wake()
}
