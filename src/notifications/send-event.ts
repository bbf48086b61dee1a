import { cloudEventMediaType, renderCloudEvent } from './formats/cloud-event.ts'
import { renderMail } from './formats/mail.ts'
import { renderSlack } from './formats/slack.ts'
import { parseTargetUrl } from './outgoing/parse-target.ts'
import { describeError, postMessage } from './outgoing/post-message.ts'
import { sendMail } from './outgoing/send-mail.ts'
import { signWebhook } from './sign-webhook.ts'
import { secretsOf, type SubscriptionRow } from './store.ts'
import type { Attempt, NotificationEvent, NotificationParts } from './types.ts'

/** Sends an event in the form that a subscription asks for. Never throws: what went wrong is the answer. */
export async function sendEvent(
  parts: NotificationParts,
  subscription: SubscriptionRow,
  deliveryId: string,
  event: NotificationEvent,
  signal: AbortSignal,
): Promise<Attempt> {
  try {
    if (subscription.kind === 'email') return await sendByMail(parts, subscription, deliveryId, event)
    if (subscription.kind === 'slack') return await sendToSlack(parts, subscription, event, signal)
    return await sendCloudEvent(parts, subscription, event, signal)
  } catch (error) {
    return { isDelivered: false, status: describeError(error) }
  }
}

async function sendCloudEvent(
  parts: NotificationParts,
  subscription: SubscriptionRow,
  event: NotificationEvent,
  signal: AbortSignal,
): Promise<Attempt> {
  const body = renderCloudEvent(event, parts.source)
  const now = parts.clock.now()
  const headers = {
    'content-type': cloudEventMediaType,
    ...signWebhook(secretsOf(subscription, now), event.id, now, body),
  }
  return postMessage(parts, { url: parseTargetUrl(subscription.target), headers, body }, signal)
}

async function sendToSlack(
  parts: NotificationParts,
  { target }: SubscriptionRow,
  event: NotificationEvent,
  signal: AbortSignal,
): Promise<Attempt> {
  const headers = { 'content-type': 'application/json' }
  return postMessage(parts, { url: parseTargetUrl(target), headers, body: renderSlack(event) }, signal)
}

async function sendByMail(
  { mail }: NotificationParts,
  { target }: SubscriptionRow,
  deliveryId: string,
  event: NotificationEvent,
): Promise<Attempt> {
  if (!mail)
    return { isDelivered: false, status: 'no mail server is set; the settings are smtpHost and smtpFrom' }
  return sendMail(mail, target.split(','), renderMail(event), deliveryId)
}
