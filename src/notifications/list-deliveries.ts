import type { Database, Tables } from '../database/index.ts'
import type { NotificationEvent } from './types.ts'
import type { DeliveryBody } from './wire.ts'

export interface DeliveryFilter {
  readonly limit: number
  readonly id?: string
  readonly subscriptionId?: string
  readonly state?: DeliveryBody['state']
}

/** Deliveries with what came of them, newest first. */
export async function listDeliveries(database: Database, filter: DeliveryFilter): Promise<DeliveryBody[]> {
  let query = database
    .selectFrom('notification_delivery')
    .innerJoin(
      'notification_subscription',
      'notification_subscription.id',
      'notification_delivery.subscription_id',
    )
    .selectAll('notification_delivery')
    .select(['notification_subscription.name as subscription', 'notification_subscription.paused_until'])
    .orderBy('notification_delivery.created_at', 'desc')
    .orderBy('notification_delivery.id')
    .limit(filter.limit)
  if (filter.id !== undefined) query = query.where('notification_delivery.id', '=', filter.id)
  if (filter.subscriptionId !== undefined) query = query.where('subscription_id', '=', filter.subscriptionId)
  if (filter.state !== undefined) query = query.where('state', '=', filter.state)
  return (await query.execute()).map(show)
}

function show(
  row: Tables['notification_delivery'] & { subscription: string; paused_until: number },
): DeliveryBody {
  const { subject } = JSON.parse(row.event) as NotificationEvent
  const time = (at: number): string => new Date(at).toISOString()
  return {
    id: row.id,
    subscription: row.subscription,
    eventId: row.event_id,
    eventType: row.event_type,
    ...(subject === undefined ? {} : { subject }),
    state: row.state,
    attempts: row.attempts,
    status: row.status,
    createdAt: time(row.created_at),
    ...(row.state === 'waiting'
      ? { nextAttemptAt: time(Math.max(row.next_attempt_at, row.paused_until)) }
      : {}),
    ...(row.finished_at === null ? {} : { finishedAt: time(row.finished_at) }),
  }
}
