import { createHmac, randomBytes } from 'node:crypto'

const secretPrefix = 'whsec_'

/** A secret to sign with, in the form that the libraries of Standard Webhooks take. */
export function makeWebhookSecret(): string {
  return `${secretPrefix}${randomBytes(32).toString('base64')}`
}

/**
 * The headers of a signed webhook (Standard Webhooks, "Signature scheme"): an HMAC-SHA256 over
 * `id.timestamp.body`. With several secrets there are as many signatures, and one that matches is enough: so a
 * receiver can change its secret while both hold.
 */
export function signWebhook(
  secrets: readonly string[],
  id: string,
  sentAtMs: number,
  body: string,
): Record<string, string> {
  const timestamp = String(Math.floor(sentAtMs / 1000))
  const sign = (secret: string): string => {
    const key = Buffer.from(secret.slice(secretPrefix.length), 'base64')
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
  }
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': secrets.map(sign).join(' '),
  }
}
