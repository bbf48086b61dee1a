import { randomUUID } from 'node:crypto'
import { closest } from 'fastest-levenshtein'
import type { DatabaseTransaction } from '../database/index.ts'
import { isGlob, matchesGlob } from '../kernel/glob.ts'
import { NotificationFailure } from './failures.ts'
import { parseTargetUrl } from './outgoing/parse-target.ts'
import { isMailAddress } from './outgoing/send-mail.ts'
import { makeWebhookSecret } from './sign-webhook.ts'
import { listSubscriptions, type SubscriptionRow } from './store.ts'
import { eventTypes, type NotificationParts } from './types.ts'
import type { NewSubscription } from './wire.ts'

const maximumSubscriptions = 200

/** Checks what is asked for and makes the row. Throws SUBSCRIPTION_INVALID. */
export function makeSubscription(
  parts: NotificationParts,
  asked: NewSubscription,
  createdBy: string,
): SubscriptionRow {
  const repositories = asked.repositories ?? '**'
  if (!isGlob(repositories))
    throw invalid(`${JSON.stringify(repositories)} is not a repository pattern such as dev/** or dev/*`)
  for (const pattern of asked.eventTypes) checkEventPattern(pattern)
  return {
    id: randomUUID(),
    name: asked.name,
    kind: asked.kind,
    target: asked.kind === 'email' ? mailTarget(parts, asked) : webhookTarget(asked),
    event_types: JSON.stringify(asked.eventTypes),
    repository_glob: repositories,
    minimum_severity: asked.minimumSeverity ?? null,
    enabled: 1,
    secret: asked.kind === 'cloudevents' ? makeWebhookSecret() : null,
    previous_secret: null,
    previous_secret_until: null,
    failures: 0,
    paused_until: 0,
    created_by: createdBy,
    created_at: parts.clock.now(),
  }
}

/** Throws SUBSCRIPTION_NAME_TAKEN, or SUBSCRIPTION_INVALID when there are too many. */
export async function insertSubscription(
  transaction: DatabaseTransaction,
  row: SubscriptionRow,
): Promise<void> {
  const existing = await listSubscriptions(transaction)
  if (existing.some(({ name }) => name === row.name))
    throw new NotificationFailure('SUBSCRIPTION_NAME_TAKEN', `there is a subscription ${row.name} already`)
  if (existing.length >= maximumSubscriptions)
    throw invalid(`there are ${existing.length} subscriptions, and no more than that are possible`)
  await transaction.insertInto('notification_subscription').values(row).execute()
}

/** A pattern that matches nothing is a mistake that would only be noticed when nobody was told. */
function checkEventPattern(pattern: string): void {
  if (isGlob(pattern) && eventTypes.some((type) => matchesGlob(pattern, type))) return
  throw invalid(
    `no event is called ${JSON.stringify(pattern)}; did you mean ${closest(pattern, eventTypes)}? There are ${eventTypes.join(', ')}`,
  )
}

function webhookTarget({ url, addresses }: NewSubscription): string {
  if (url === undefined || addresses !== undefined) throw invalid('a webhook is sent to one url')
  parseTargetUrl(url)
  return url
}

function mailTarget({ mail }: NotificationParts, { url, addresses }: NewSubscription): string {
  if (addresses === undefined || url !== undefined) throw invalid('e-mail is sent to addresses')
  if (!mail) throw invalid('no mail server is set; the settings are smtpHost and smtpFrom')
  for (const address of addresses) {
    if (!isMailAddress(address))
      throw invalid(`${JSON.stringify(address)} is not an address such as ops@example.com`)
  }
  return addresses.join(',')
}

function invalid(message: string): NotificationFailure {
  return new NotificationFailure('SUBSCRIPTION_INVALID', message)
}
