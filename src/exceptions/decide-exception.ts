import type { DatabaseTransaction } from '../database/index.ts'
import { IdentityFailure, type Caller } from '../identity/index.ts'
import { enqueueJob } from '../jobs/index.ts'
import { requireAccessToAll } from './check-scope.ts'
import { expireJobKind } from './expire-exceptions.ts'
import { ExceptionFailure } from './failures.ts'
import type { ExceptionParts } from './parts.ts'
import { judgeAffected, recordChange } from './record-change.ts'
import { authorityOver } from './rule-exceptions.ts'
import { getException, moveException } from './store.ts'
import type { Exception } from './types.ts'

/** Approves what another person asked for; the images that it concerns are judged again. */
export async function approveException(
  parts: ExceptionParts,
  caller: Caller,
  id: string,
  reason: string | undefined,
): Promise<Exception> {
  const exception = await getException(parts.database, id)
  await requireAccessToAll(parts.database, parts.identity, caller, 'approve', exception.scope)
  await refuseSelfApproval(parts, caller, exception)
  const authority = exception.rule && (await authorityOver(parts.identity, caller, exception))
  return decide(
    parts,
    caller,
    { ...exception, ...(authority === undefined ? {} : { authority }) },
    'approved',
    reason,
  )
}

/** Refuses what somebody asked for. */
export async function rejectException(
  parts: ExceptionParts,
  caller: Caller,
  id: string,
  reason: string,
): Promise<Exception> {
  const exception = await getException(parts.database, id)
  await requireAccessToAll(parts.database, parts.identity, caller, 'approve', exception.scope)
  return decide(parts, caller, exception, 'rejected', reason)
}

/** Takes an exception back: whoever asked for it may, and whoever could have approved it. */
export async function withdrawException(
  parts: ExceptionParts,
  caller: Caller,
  id: string,
  reason: string,
): Promise<Exception> {
  const { database, identity } = parts
  await identity.requireSignIn(caller)
  const before = await getException(database, id)
  if (before.requestedBy.subject !== caller.principal.subject) {
    await requireAccessToAll(database, identity, caller, 'approve', before.scope)
  }
  const end = { by: caller.principal.name, at: identity.clock.now(), reason }
  const after: Exception = { ...before, state: 'withdrawn', end }
  await database.transaction().execute(async (transaction) => {
    await move(transaction, before, after)
    await recordChange(parts, transaction, caller, 'withdrawn', after)
    if (before.state === 'approved') await judgeAffected(parts, transaction, after)
  })
  parts.wake()
  return after
}

/** Two pairs of eyes: not the author's own, not those of the robot's maker, and no robot's. */
async function refuseSelfApproval(
  { database }: ExceptionParts,
  { principal }: Caller,
  { requestedBy }: Exception,
): Promise<void> {
  if (principal.kind !== 'user') throw new IdentityFailure('DENIED', 'only a person can approve an exception')
  const author = requestedBy.subject.startsWith('robot:')
    ? await database
        .selectFrom('robot')
        .select('created_by')
        .where('id', '=', requestedBy.subject.slice('robot:'.length))
        .executeTakeFirst()
    : undefined
  if (requestedBy.subject !== principal.subject && author?.created_by !== principal.subject) return
  throw new ExceptionFailure('SELF_APPROVAL', 'another person than the one who asked has to approve it')
}

async function decide(
  parts: ExceptionParts,
  caller: Caller,
  before: Exception,
  state: 'approved' | 'rejected',
  reason: string | undefined,
): Promise<Exception> {
  const { principal } = caller
  const now = parts.identity.clock.now()
  if (state === 'approved' && before.until <= now) throw over(before, 'its time is over')
  const by = { subject: principal.subject, name: principal.name }
  const decision = { by, at: now, ...(reason === undefined ? {} : { reason }) }
  const after: Exception = { ...before, state, decision }
  await parts.database.transaction().execute(async (transaction) => {
    if (before.state !== 'requested') throw over(before, `it is ${before.state}`)
    await move(transaction, before, after)
    await recordChange(parts, transaction, caller, state, after)
    if (state === 'approved') await putInForce(parts, transaction, after)
  })
  parts.wake()
  return after
}

/** Has it felt at once, and its end as soon as it comes. */
async function putInForce(
  parts: ExceptionParts,
  transaction: DatabaseTransaction,
  exception: Exception,
): Promise<void> {
  await judgeAffected(parts, transaction, exception)
  const { id, until } = exception
  const now = parts.identity.clock.now()
  await enqueueJob(transaction, { kind: expireJobKind, dedupeKey: id, now, runAfter: until })
}

async function move(transaction: DatabaseTransaction, before: Exception, after: Exception): Promise<void> {
  const isOpen = before.state === 'requested' || before.state === 'approved'
  if (!isOpen) throw over(before, `it is ${before.state}`)
  if (!(await moveException(transaction, before.state, after))) throw over(before, 'somebody was faster')
}

function over({ id }: Exception, why: string): ExceptionFailure {
  return new ExceptionFailure('EXCEPTION_OVER', `exception ${id} cannot be changed: ${why}`)
}
