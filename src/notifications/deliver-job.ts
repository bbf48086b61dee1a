import type { Database, DatabaseTransaction, Tables } from '../database/index.ts'
import type { RunningJob } from '../jobs/index.ts'
import { claimDelivery, requestNextDelivery } from './claim-delivery.ts'
import { requestDelivery } from './notify.ts'
import { sendEvent } from './send-event.ts'
import { changeSubscription, type SubscriptionRow } from './store.ts'
import type { Attempt, NotificationEvent, NotificationParts } from './types.ts'

const secondMs = 1_000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
/** Pauses after the first attempt, the second and so on; after the last one it is given up. */
export const retryPausesMs: readonly number[] = [
  5 * secondMs,
  30 * secondMs,
  2 * minuteMs,
  10 * minuteMs,
  30 * minuteMs,
  hourMs,
  3 * hourMs,
  6 * hourMs,
]
const longestPauseMs = 5 * minuteMs
/** What one job sends before others have their turn. */
const batchSize = 20
const batchMs = 30 * secondMs

/**
 * Job: sends what waits for one subscription. An attempt is written down before it is made, so a process that
 * dies leaves an event that is sent again: at least once, never lost. The first failure ends the job and has
 * the whole subscription wait for a while, so that a receiver that is down does not hold up other work.
 */
export async function deliverJob(parts: NotificationParts, job: RunningJob): Promise<void> {
  const { subscriptionId } = job.payload as { subscriptionId: string }
  const startedAt = parts.clock.now()
  for (let count = 0; count < batchSize && parts.clock.now() - startedAt < batchMs; count++) {
    const claimed = await claimDelivery(parts, subscriptionId)
    if (!claimed) return
    const { subscription, delivery } = claimed
    const event = JSON.parse(delivery.event) as NotificationEvent
    const attempt = await sendEvent(parts, subscription, delivery.id, event, job.signal)
    if (!(await saveAttempt(parts, subscription.id, delivery, attempt))) return
  }
  const now = parts.clock.now()
  await parts.database
    .transaction()
    .execute((transaction) => requestDelivery(transaction, subscriptionId, now))
}

/** Writes down what came of an attempt, and says whether the receiver takes more. */
async function saveAttempt(
  parts: NotificationParts,
  subscriptionId: string,
  delivery: Tables['notification_delivery'],
  attempt: Attempt,
): Promise<boolean> {
  await parts.database.transaction().execute(async (transaction) => {
    const now = parts.clock.now()
    await finishAttempt(transaction, delivery, attempt, now)
    await pauseOrResume(transaction, subscriptionId, attempt, now)
    if (!attempt.isDelivered) await requestNextDelivery(transaction, subscriptionId, now)
  })
  return attempt.isDelivered
}

async function finishAttempt(
  transaction: DatabaseTransaction,
  delivery: Tables['notification_delivery'],
  attempt: Attempt,
  now: number,
): Promise<void> {
  const pauseMs = retryPausesMs[delivery.attempts - 1]
  const isGivenUp = !attempt.isDelivered && pauseMs === undefined
  const status = isGivenUp
    ? `given up after ${delivery.attempts} attempts: ${attempt.status}`
    : attempt.status
  const isOver = attempt.isDelivered || isGivenUp
  await closeDelivery(transaction, delivery.id, {
    status: status.slice(0, 240),
    ...(isOver ? { state: attempt.isDelivered ? 'delivered' : 'failed', finished_at: now } : {}),
    ...(isOver ? {} : { next_attempt_at: now + (pauseMs ?? 0) }),
  })
}

/** Only what still waits is changed: another process may have delivered it meanwhile. */
export async function closeDelivery(
  handle: Database | DatabaseTransaction,
  id: string,
  change: Partial<Tables['notification_delivery']>,
): Promise<void> {
  await handle
    .updateTable('notification_delivery')
    .set(change)
    .where('id', '=', id)
    .where('state', '=', 'waiting')
    .execute()
}

async function pauseOrResume(
  transaction: DatabaseTransaction,
  subscriptionId: string,
  attempt: Attempt,
  now: number,
): Promise<void> {
  if (attempt.isDelivered) return changeSubscription(transaction, subscriptionId, calm)
  const row = await transaction
    .selectFrom('notification_subscription')
    .select('failures')
    .where('id', '=', subscriptionId)
    .executeTakeFirst()
  const failures = (row?.failures ?? 0) + 1
  const pauseMs = Math.min(longestPauseMs, 5 * secondMs * 2 ** Math.min(failures - 1, 10))
  await changeSubscription(transaction, subscriptionId, { failures, paused_until: now + pauseMs })
}

/** How a subscription is whose receiver takes what it is sent. */
export const calm: Pick<SubscriptionRow, 'failures' | 'paused_until'> = { failures: 0, paused_until: 0 }
