import { randomUUID } from 'node:crypto'
import type { Database, DatabaseTransaction } from '../database/index.ts'

/** Work to be done later. */
export interface JobToDo {
  readonly kind: string
  /** While one job of a kind with this key waits, another one adds nothing. */
  readonly dedupeKey: string
  readonly payload?: unknown
  readonly now: number
  /** Not before this time, in milliseconds since 1970. */
  readonly runAfter?: number
}

/**
 * Adds a job in the transaction of the change that makes it necessary: both are there or neither is. A job
 * that is running does not count as waiting, so a change that comes meanwhile is worked on afterwards.
 */
export async function enqueueJob(handle: Database | DatabaseTransaction, job: JobToDo): Promise<void> {
  const waiting = await handle
    .selectFrom('job')
    .select('id')
    .where('kind', '=', job.kind)
    .where('dedupe_key', '=', job.dedupeKey)
    .where('state', '=', 'waiting')
    .executeTakeFirst()
  if (waiting) return
  await handle
    .insertInto('job')
    .values({
      id: randomUUID(),
      kind: job.kind,
      dedupe_key: job.dedupeKey,
      payload: JSON.stringify(job.payload ?? {}),
      state: 'waiting',
      attempts: 0,
      run_after: job.runAfter ?? job.now,
      leased_until: null,
      lease_token: null,
      created_at: job.now,
      finished_at: null,
      error: null,
    })
    .execute()
}
