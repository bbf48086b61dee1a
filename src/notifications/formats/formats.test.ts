import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { NotificationEvent } from '../types.ts'
import { renderCloudEvent } from './cloud-event.ts'
import { renderMail } from './mail.ts'
import { renderSlack } from './slack.ts'

const event: NotificationEvent = {
  id: 'event-1',
  type: 'image.quarantined',
  at: Date.UTC(2026, 0, 2, 3, 4, 5),
  subject: 'prod/shop@sha256:abc',
  repository: 'prod/shop',
  severity: 'critical',
  summary: 'prod/shop:1 is quarantined',
  data: { digest: 'sha256:abc' },
}

test('a CloudEvent has the attributes of CloudEvents 1.0 and what happened as data', () => {
  assert.deepEqual(JSON.parse(renderCloudEvent(event, 'https://registry.example.com')), {
    specversion: '1.0',
    id: 'event-1',
    source: 'https://registry.example.com',
    type: 'io.pratique.image.quarantined.v1',
    subject: 'prod/shop@sha256:abc',
    time: '2026-01-02T03:04:05.000Z',
    datacontenttype: 'application/json',
    data: {
      digest: 'sha256:abc',
      summary: 'prod/shop:1 is quarantined',
      repository: 'prod/shop',
      severity: 'critical',
    },
  })
})

test('a CloudEvent without a subject has none, since an empty one is not allowed', () => {
  const { subject: _, ...rest } = event
  assert.equal('subject' in (JSON.parse(renderCloudEvent(rest, 'urn:x')) as object), false)
})

test('nothing in a Slack message is a link or calls a channel', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const summary = `<!channel> <https://evil.example|click> & ${text}`
      const shown = JSON.parse(renderSlack({ ...event, summary, subject: `<${text}>` })) as { text: string }
      assert.doesNotMatch(JSON.stringify(shown), /[<>]/)
      assert.ok(shown.text.startsWith('&lt;!channel&gt; &lt;https://evil.example|click&gt; &amp; '))
    }),
  )
})

test('nothing in an e-mail is markup, and its subject is one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const summary = `<script>"x"</script>\r\nBcc: evil@example.com ${text}`
      const mail = renderMail({ ...event, summary, subject: `<b>${text}` })
      assert.doesNotMatch(mail.html, /<(?!\/?(?:p|table|tr|th|td)\b)/)
      assert.doesNotMatch(mail.subject, /[\r\n\u2028\u2029\0]/)
      assert.ok(mail.subject.length <= 160)
    }),
  )
})
