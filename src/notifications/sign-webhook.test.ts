import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { makeWebhookSecret, signWebhook } from './sign-webhook.ts'

const body = '{"name":"Hafen – 港"}'

test('the library of Standard Webhooks accepts what we sign, and nothing that was changed', () => {
  const secret = makeWebhookSecret()
  const headers = signWebhook([secret], 'event-1', Date.now(), body)
  assert.deepEqual(new Webhook(secret).verify(body, headers), JSON.parse(body))
  const changes = [
    () => new Webhook(secret).verify(`${body} `, headers),
    () => new Webhook(secret).verify(body, { ...headers, 'webhook-id': 'event-2' }),
    () => new Webhook(makeWebhookSecret()).verify(body, headers),
    () => new Webhook(secret).verify(body, signWebhook([secret], 'event-1', Date.now() - 600_000, body)),
  ]
  for (const change of changes) assert.throws(change)
})

test('while two secrets overlap, a receiver with either of them accepts', () => {
  const [current, previous] = [makeWebhookSecret(), makeWebhookSecret()]
  const headers = signWebhook([current, previous], 'event-1', Date.now(), body)
  for (const secret of [current, previous]) assert.ok(new Webhook(secret).verify(body, headers))
})

test('the signature is the one of the specification', () => {
  const headers = signWebhook(
    ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
    'msg_p5jXN8AQM9LWM0D4loKWxJek',
    1_614_265_330_000,
    '{"test": 2432232314}',
  )
  assert.equal(headers['webhook-signature'], 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
})

test('the receiver in docs/notifications.md accepts what we sign, once and in time', async () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/notifications.md'), 'utf8')
  const [, code = ''] = /```js\n([\s\S]*?)```/.exec(page) ?? []
  const folder = mkdtempSync(join(tmpdir(), 'pratique-receiver-'))
  after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'receiver.mjs'), code)
  const { verify } = (await import(join(folder, 'receiver.mjs'))) as {
    verify: (secret: string, headers: Record<string, string>, body: string) => boolean
  }
  const [secret, other] = [makeWebhookSecret(), makeWebhookSecret()]
  const signed = signWebhook([other, secret], 'event-1', Date.now(), body)
  assert.equal(verify(secret, signed, body), true)
  assert.equal(verify(secret, signed, `${body} `), false)
  assert.equal(verify(makeWebhookSecret(), signed, body), false)
  assert.equal(verify(secret, signWebhook([secret], 'event-1', Date.now() - 600_000, body), body), false)
  assert.equal(verify(secret, {}, body), false)
})
