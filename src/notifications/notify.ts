import { randomUUID } from 'node:crypto'
import type { DatabaseTransaction } from '../database/index.ts'
import { enqueueJob } from '../jobs/index.ts'
import { matchesGlob } from '../kernel/glob.ts'
import type { SubscriptionRow } from './store.ts'
import { severities, type NotificationEvent, type Severity } from './types.ts'

/** The kind of the jobs that deliver. */
export const deliverJobKind = 'deliver-notifications'

const maximumIdLength = 200
const maximumTextLength = 1_000
const maximumDataBytes = 32 * 1024

/**
 * Tells those who want to know, in the transaction of what happened: either both are there or neither is. For
 * each subscription that matches it adds one row to the outbox, or none if the subscription had this event's
 * id before, and a job that delivers what is waiting.
 */
export async function notify(transaction: DatabaseTransaction, event: NotificationEvent): Promise<void> {
  const enabled = await transaction
    .selectFrom('notification_subscription')
    .selectAll()
    .where('enabled', '=', 1)
    .execute()
  for (const subscription of enabled.filter((row) => wants(row, event))) {
    await insertDelivery(transaction, subscription.id, event)
    await requestDelivery(transaction, subscription.id, event.at)
  }
}

/**
 * Whether an event is for a subscription. Repository and severity only hold back events that have one: that
 * the vulnerability database is out of date concerns every repository.
 */
export function wants(row: SubscriptionRow, event: NotificationEvent): boolean {
  const types = JSON.parse(row.event_types) as string[]
  if (!types.some((pattern) => matchesGlob(pattern, event.type))) return false
  if (event.repository !== undefined && !matchesGlob(row.repository_glob, event.repository)) return false
  if (event.severity === undefined || row.minimum_severity === null) return true
  return severities.indexOf(event.severity) <= severities.indexOf(row.minimum_severity as Severity)
}

/** Adds an event to the outbox of a subscription, unless it is there. Gives the id of the row it made. */
export async function insertDelivery(
  transaction: DatabaseTransaction,
  subscriptionId: string,
  event: NotificationEvent,
  /** Not before this time. */
  nextAttemptAt = event.at,
): Promise<string> {
  const id = randomUUID()
  const bounded = boundEvent(event)
  await transaction
    .insertInto('notification_delivery')
    .values({
      id,
      subscription_id: subscriptionId,
      event_id: bounded.id,
      event_type: event.type,
      event: JSON.stringify(bounded),
      state: 'waiting',
      attempts: 0,
      next_attempt_at: nextAttemptAt,
      status: '',
      created_at: event.at,
      finished_at: null,
    })
    .onConflict((conflict) => conflict.columns(['subscription_id', 'event_id']).doNothing())
    .execute()
  return id
}

/** Has what waits for a subscription delivered, now or at a later time. */
export async function requestDelivery(
  transaction: DatabaseTransaction,
  subscriptionId: string,
  now: number,
  runAfter = now,
): Promise<void> {
  // Jobs for later have keys of their own: one that waits for an hour must not keep the next event waiting.
  const dedupeKey = runAfter === now ? subscriptionId : `${subscriptionId} at ${runAfter}`
  await enqueueJob(transaction, {
    kind: deliverJobKind,
    dedupeKey,
    payload: { subscriptionId },
    now,
    runAfter,
  })
}

function boundEvent(event: NotificationEvent): NotificationEvent {
  const { data, subject, ...rest } = event
  const isTooLarge = data !== undefined && Buffer.byteLength(JSON.stringify(data)) > maximumDataBytes
  return {
    ...rest,
    id: event.id.slice(0, maximumIdLength),
    summary: event.summary.slice(0, maximumTextLength),
    ...(subject === undefined ? {} : { subject: subject.slice(0, maximumTextLength) }),
    ...(data === undefined ? {} : { data: isTooLarge ? { truncated: true } : data }),
  }
}
