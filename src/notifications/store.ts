import type { Database, DatabaseTransaction, Tables } from '../database/index.ts'
import { NotificationFailure } from './failures.ts'

type Handle = Database | DatabaseTransaction
export type SubscriptionRow = Tables['notification_subscription']

export async function listSubscriptions(database: Handle): Promise<SubscriptionRow[]> {
  return database.selectFrom('notification_subscription').selectAll().orderBy('name').execute()
}

/** Throws SUBSCRIPTION_UNKNOWN. */
export async function getSubscription(database: Handle, id: string): Promise<SubscriptionRow> {
  const row = await findSubscription(database, id)
  if (!row) throw new NotificationFailure('SUBSCRIPTION_UNKNOWN', `there is no subscription ${id}`)
  return row
}

export async function findSubscription(database: Handle, id: string): Promise<SubscriptionRow | undefined> {
  return database.selectFrom('notification_subscription').selectAll().where('id', '=', id).executeTakeFirst()
}

export async function changeSubscription(
  transaction: DatabaseTransaction,
  id: string,
  change: Partial<SubscriptionRow>,
): Promise<void> {
  await transaction.updateTable('notification_subscription').set(change).where('id', '=', id).execute()
}

/** The secrets that sign now: the current one, and the one before it while its overlap lasts. */
export function secretsOf(row: SubscriptionRow, now: number): string[] {
  const isOverlap = row.previous_secret_until !== null && row.previous_secret_until > now
  return [row.secret, isOverlap ? row.previous_secret : null].filter((secret) => secret !== null)
}
