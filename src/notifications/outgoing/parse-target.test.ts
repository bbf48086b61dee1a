import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { NotificationFailure } from '../failures.ts'
import { parseTargetUrl, showTargetUrl } from './parse-target.ts'

const refused: Readonly<Record<string, string>> = {
  'another protocol': 'file:///etc/passwd',
  gopher: 'gopher://example.com/',
  'no protocol': '//example.com/',
  'user information': 'https://user:secret@example.com/',
  'empty user information': 'https://@example.com/',
  'a decimal host': 'http://2130706433/',
  'an octal host': 'http://0177.0.0.1/',
  'a hexadecimal host': 'http://0x7f.0.0.1/',
  'a short host': 'http://127.1/',
  'an escaped host': 'http://%31%32%37.0.0.1/',
  'full-width digits': 'http://１２７.0.0.1/',
  backslashes: 'https:\\\\example.com\\',
  'a backslash in the host': 'https://example.com\\@127.0.0.1/',
  'a line break': 'https://exam\nple.com/',
  'a space': ' https://example.com/',
  'a mapped address in decimal': 'http://[::ffff:127.0.0.1]/',
  'a zone': 'http://[fe80::1%25eth0]/',
  'a fragment': 'https://example.com/#x',
  'a port that is none': 'https://example.com:70000/',
  'no host': 'https:///x',
  'too long': `https://example.com/${'x'.repeat(2048)}`,
}
for (const [name, text] of Object.entries(refused)) {
  test(`is no target: ${name}`, () => {
    assert.throws(
      () => parseTargetUrl(text),
      (error) => error instanceof NotificationFailure && error.code === 'SUBSCRIPTION_INVALID',
    )
  })
}

for (const text of [
  'https://example.com/hooks?token=1',
  'HTTPS://Example.com',
  'http://127.0.0.1:8080/',
  'http://[::1]:8080/x',
  'https://xn--bcher-kva.example/',
]) {
  test(`is a target: ${text}`, () => assert.match(parseTargetUrl(text).href, /^https?:/))
}

test('whatever is a target has the host that stands in it', () => {
  const hosts = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV4Extended(), fc.string({ maxLength: 20 }))
  fc.assert(
    fc.property(hosts, fc.webPath(), (host, path) => {
      try {
        const url = parseTargetUrl(`https://${host}${path}`)
        assert.ok(`https://${host}${path}`.toLowerCase().startsWith(`https://${url.hostname}`))
      } catch (error) {
        assert.ok(error instanceof NotificationFailure, String(error))
      }
    }),
    { numRuns: 500 },
  )
})

test('what is shown of a target has neither its query nor the path of a Slack webhook', () => {
  const url = parseTargetUrl('https://hooks.example.com/T0/secret?token=hidden')
  assert.equal(showTargetUrl(url, 'cloudevents'), 'https://hooks.example.com/T0/secret?…')
  assert.equal(showTargetUrl(url, 'slack'), 'https://hooks.example.com/…')
})
