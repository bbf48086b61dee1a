import { systemCaller } from '../identity/index.ts'
import type { ExceptionEffects } from './parts.ts'
import { judgeAffected, recordChange } from './record-change.ts'
import { findOverdue, moveException } from './store.ts'
import type { Exception } from './types.ts'

const batchSize = 200

/** The kind of the job; it is due when an approved exception ends, and now and then besides. */
export const expireJobKind = 'expire-exceptions'

/**
 * Job: ends what ran out, and has the images judged again that it had quietened. The state moves in the same
 * transaction as what follows from it, so that whatever happens between two of them each runs out once.
 */
export async function expireExceptionsJob(effects: ExceptionEffects): Promise<void> {
  for (;;) {
    const overdue = await findOverdue(effects.database, effects.identity.clock.now(), batchSize)
    for (const exception of overdue) await expire(effects, exception)
    if (overdue.length < batchSize) return
  }
}

async function expire(effects: ExceptionEffects, before: Exception): Promise<void> {
  const at = effects.identity.clock.now()
  const after: Exception = { ...before, state: 'expired', end: { by: 'pratique', at } }
  await effects.database.transaction().execute(async (transaction) => {
    if (!(await moveException(transaction, before.state, after))) return
    await recordChange(effects, transaction, systemCaller('exceptions'), 'expired', after)
    if (before.state === 'approved') await judgeAffected(effects, transaction, after)
  })
}
