import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSettings, SettingsError } from '../settings.ts'
import { makeSubscription } from './make-subscription.ts'
import { readMailSettings } from './read-mail-settings.ts'
import { sendEvent } from './send-event.ts'
import type { NotificationEvent, NotificationParts } from './types.ts'

const given = { PRATIQUE_SMTP_HOST: '127.0.0.1', PRATIQUE_SMTP_FROM: 'registry@example.com' }

test('without a mail server there are no mail settings, with one STARTTLS is asked for', () => {
  assert.equal(readMailSettings(readSettings({})), undefined)
  assert.deepEqual(readMailSettings(readSettings(given)), {
    host: '127.0.0.1',
    port: 587,
    security: 'starttls',
    from: 'registry@example.com',
  })
})

test('a mail server without a sender that is an address is refused', () => {
  for (const from of [undefined, 'Registry <registry@example.com>', 'registry'])
    assert.throws(() => readMailSettings(readSettings({ ...given, PRATIQUE_SMTP_FROM: from })), SettingsError)
})

test('an event for mailboxes is handed to the mail server of the settings', async () => {
  const mail = readMailSettings(readSettings({ ...given, PRATIQUE_SMTP_PORT: '1' }))
  const parts = { clock: { now: () => 0 }, networks: [], mail } as unknown as NotificationParts
  const asked = { name: 'ops', kind: 'email', addresses: ['ops@example.com'], eventTypes: ['*'] } as const
  const row = makeSubscription(
    parts,
    { ...asked, addresses: [...asked.addresses], eventTypes: ['*'] },
    'admin',
  )
  const event: NotificationEvent = { id: '1', type: 'vulndb.failed', at: 0, summary: 'no answer' }
  const attempt = await sendEvent(parts, row, 'delivery-1', event, new AbortController().signal)
  assert.match(attempt.status, /ECONNREFUSED/)
})
