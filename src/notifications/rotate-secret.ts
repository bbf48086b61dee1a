import type { DatabaseTransaction } from '../database/index.ts'
import { NotificationFailure } from './failures.ts'
import { makeWebhookSecret } from './sign-webhook.ts'
import { changeSubscription, getSubscription, type SubscriptionRow } from './store.ts'

const minuteMs = 60_000

/** Gives a subscription a new secret. Throws SUBSCRIPTION_INVALID for one that signs nothing. */
export async function rotateSecret(
  transaction: DatabaseTransaction,
  id: string,
  overlapMinutes: number,
  now: number,
): Promise<{ row: SubscriptionRow; secret: string }> {
  const before = await getSubscription(transaction, id)
  if (before.secret === null) {
    throw new NotificationFailure(
      'SUBSCRIPTION_INVALID',
      `${before.name} has no secret: only CloudEvents webhooks are signed`,
    )
  }
  const secret = makeWebhookSecret()
  const isOverlap = overlapMinutes > 0
  const change = {
    secret,
    previous_secret: isOverlap ? before.secret : null,
    previous_secret_until: isOverlap ? now + overlapMinutes * minuteMs : null,
  }
  await changeSubscription(transaction, id, change)
  return { row: { ...before, ...change }, secret }
}
