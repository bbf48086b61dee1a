import { randomUUID } from 'node:crypto'
import { claimMs } from './claim-delivery.ts'
import { closeDelivery } from './deliver-job.ts'
import { insertDelivery } from './notify.ts'
import { sendEvent } from './send-event.ts'
import type { SubscriptionRow } from './store.ts'
import type { NotificationEvent, NotificationParts } from './types.ts'

/** Sends an event that says it is a test, once and at once; gives the id of its delivery. */
export async function testSubscription(
  parts: NotificationParts,
  subscription: SubscriptionRow,
  askedBy: string,
  signal: AbortSignal,
): Promise<string> {
  const now = parts.clock.now()
  const event: NotificationEvent = {
    id: randomUUID(),
    type: 'notification.test',
    at: now,
    summary: `${askedBy} tests the subscription ${subscription.name}. Nothing has happened.`,
  }
  // Claimed as it is made, so that no job takes it meanwhile.
  const id = await parts.database
    .transaction()
    .execute((transaction) => insertDelivery(transaction, subscription.id, event, now + claimMs))
  const { isDelivered, status } = await sendEvent(parts, subscription, id, event, signal)
  await closeDelivery(parts.database, id, {
    state: isDelivered ? 'delivered' : 'failed',
    attempts: 1,
    status,
    finished_at: parts.clock.now(),
  })
  return id
}
