import type { DatabaseTransaction, Tables } from '../database/index.ts'
import { requestDelivery } from './notify.ts'
import { findSubscription, type SubscriptionRow } from './store.ts'
import type { NotificationParts } from './types.ts'

/** Longer than any attempt takes: after that, whoever claimed a delivery is gone. */
export const claimMs = 60_000
const roundToMs = 1_000

export interface ClaimedDelivery {
  readonly subscription: SubscriptionRow
  readonly delivery: Tables['notification_delivery']
}

/**
 * Takes the oldest delivery that is due and counts the attempt, before it is made. When none is due, a job is
 * there for when the next one will be.
 */
export async function claimDelivery(
  parts: NotificationParts,
  subscriptionId: string,
): Promise<ClaimedDelivery | undefined> {
  return parts.database.transaction().execute(async (transaction) => {
    const subscription = await findSubscription(transaction, subscriptionId)
    if (!subscription || subscription.enabled === 0) return undefined
    const now = parts.clock.now()
    const oldest =
      subscription.paused_until > now ? undefined : await findDue(transaction, subscriptionId, now)
    if (oldest) return { subscription, delivery: await claim(transaction, oldest, now) }
    await requestNextDelivery(transaction, subscriptionId, now)
    return undefined
  })
}

async function findDue(
  transaction: DatabaseTransaction,
  subscriptionId: string,
  now: number,
): Promise<Tables['notification_delivery'] | undefined> {
  return transaction
    .selectFrom('notification_delivery')
    .selectAll()
    .where('subscription_id', '=', subscriptionId)
    .where('state', '=', 'waiting')
    .where('next_attempt_at', '<=', now)
    .orderBy('next_attempt_at')
    .limit(1)
    .executeTakeFirst()
}

async function claim(
  transaction: DatabaseTransaction,
  delivery: Tables['notification_delivery'],
  now: number,
): Promise<Tables['notification_delivery']> {
  const change = { attempts: delivery.attempts + 1, next_attempt_at: now + claimMs }
  await transaction.updateTable('notification_delivery').set(change).where('id', '=', delivery.id).execute()
  return { ...delivery, ...change }
}

/** Has the subscription's next delivery made once it is due and the subscription's pause is over. */
export async function requestNextDelivery(
  transaction: DatabaseTransaction,
  subscriptionId: string,
  now: number,
): Promise<void> {
  const next = await transaction
    .selectFrom('notification_delivery')
    .innerJoin(
      'notification_subscription',
      'notification_subscription.id',
      'notification_delivery.subscription_id',
    )
    .select(['next_attempt_at', 'paused_until'])
    .where('subscription_id', '=', subscriptionId)
    .where('state', '=', 'waiting')
    .orderBy('next_attempt_at')
    .limit(1)
    .executeTakeFirst()
  if (!next) return
  const dueAt = Math.max(next.next_attempt_at, next.paused_until, now)
  // Rounded up, so that many that are due at about the same time share a job.
  const runAfter = Math.ceil((dueAt + 1) / roundToMs) * roundToMs
  await requestDelivery(transaction, subscriptionId, now, runAfter)
}
