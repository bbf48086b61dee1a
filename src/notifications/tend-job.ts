import type { Database } from '../database/index.ts'
import { requestDelivery } from './notify.ts'
import type { NotificationParts } from './types.ts'

const dayMs = 24 * 3_600_000
/** How long deliveries can be looked at. */
export const keepDeliveriesMs = 30 * dayMs
/** How long an event waits, for a subscription that is disabled or a receiver that is down. */
export const giveUpAfterMs = 3 * dayMs
const overdueMs = 300_000

/**
 * Job, once an hour: drops old deliveries, gives up what waited too long, and sees to it that there is a job
 * for whatever is overdue, should one have been lost.
 */
export async function tendNotificationsJob(
  parts: Pick<NotificationParts, 'database' | 'clock'>,
): Promise<void> {
  const { database } = parts
  const now = parts.clock.now()
  await database
    .deleteFrom('notification_delivery')
    .where('created_at', '<', now - keepDeliveriesMs)
    .execute()
  await giveUpOld(database, now)
  await requestOverdue(database, now)
}

async function giveUpOld(database: Database, now: number): Promise<void> {
  const days = giveUpAfterMs / dayMs
  await database
    .updateTable('notification_delivery')
    .set((expression) => ({
      state: 'failed' as const,
      finished_at: now,
      status: expression.fn<string>('concat', [
        expression.val(`given up after ${days} days. `),
        expression.ref('status'),
      ]),
    }))
    .where('state', '=', 'waiting')
    .where('created_at', '<', now - giveUpAfterMs)
    .execute()
}

async function requestOverdue(database: Database, now: number): Promise<void> {
  const rows = await database
    .selectFrom('notification_delivery')
    .innerJoin(
      'notification_subscription',
      'notification_subscription.id',
      'notification_delivery.subscription_id',
    )
    .select('notification_subscription.id')
    .distinct()
    .where('enabled', '=', 1)
    .where('state', '=', 'waiting')
    .where('next_attempt_at', '<', now - overdueMs)
    .execute()
  for (const { id } of rows)
    await database.transaction().execute((transaction) => requestDelivery(transaction, id, now))
}
