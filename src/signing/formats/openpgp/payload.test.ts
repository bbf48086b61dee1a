import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  judgeMessage,
  makeKey,
  signerOf,
  signMessage,
  simplePayload,
  times,
} from '../../../../test/fixtures/openpgp-messages.ts'
import { digestOf } from '../../../kernel/digest.ts'
import type { Claim, Rejection } from '../../types.ts'

const digest = digestOf('an image')
const release = await makeKey()
const stranger = await makeKey()

function judge(bytes: Buffer): Promise<Claim | Rejection> {
  return judgeMessage(bytes, digest, [signerOf(release)])
}

test('the time of a signature is what it says in its content, or else in itself', async () => {
  for (const [optional, claimedAt] of [
    [{ timestamp: 1_760_000_000 }, 1_760_000_000_000],
    [{}, times.signed.getTime()],
  ] as const) {
    const outcome = await judge(await signMessage(simplePayload(digest, { optional }), release))
    assert.equal(outcome.status, 'verified')
    assert.equal(outcome.claimedAt, claimedAt)
    assert.equal(outcome.provenAt, undefined)
  }
})

const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`
const payloads: readonly [name: string, content: string | Buffer, why: RegExp][] = [
  ['of another image', simplePayload(digestOf('other')), /another image/],
  [
    'with the digest in capitals',
    simplePayload(digest).replace(/sha256:[0-9a-f]+/, (text) => text.toUpperCase()),
    /another image/,
  ],
  [
    'of the type of cosign',
    simplePayload(digest, {}, { type: 'cosign container image signature' }),
    /type is "cosign/,
  ],
  [
    'with a critical member that is not understood',
    simplePayload(digest, {}, { expires: 'never' }),
    /critical\/expires/,
  ],
  ['with a critical member less', simplePayload(digest, {}, { identity: undefined }), /critical/],
  [
    'with a member more in the identity',
    simplePayload(digest, {}, { identity: { 'docker-reference': 'a', scope: 'b' } }),
    /identity\/scope/,
  ],
  [
    'with a member more beside the image',
    simplePayload(digest, {}, { image: { 'docker-manifest-digest': digest, x: 1 } }),
    /image\/x/,
  ],
  ['with an empty name', simplePayload(digest, {}, { identity: { 'docker-reference': '' } }), /reference/],
  ['with a third member', simplePayload(digest, { extra: 1 }), /extra/],
  ['without what is optional', simplePayload(digest, { optional: undefined }), /optional/],
  ['with null for what is optional', simplePayload(digest, { optional: null }), /optional/],
  ['with a time that is text', simplePayload(digest, { optional: { timestamp: '1760000000' } }), /timestamp/],
  ['with a time that is no date', simplePayload(digest, { optional: { timestamp: 1e300 } }), /timestamp/],
  ['with a creator that is no text', simplePayload(digest, { optional: { creator: 1 } }), /creator/],
  ['with the digest twice', simplePayload(digest).replace('"image":', '"image":{},"image":'), /twice/],
  [
    'with the digest twice, once escaped',
    simplePayload(digest).replace('"image":', '"im\\u0061ge":{},"image":'),
    /twice/,
  ],
  [
    'with the critical part twice',
    simplePayload(digest).replace('"critical":', '"critical":{},"critical":'),
    /twice/,
  ],
  ['that is cut off', simplePayload(digest).slice(0, -1), /not JSON/],
  ['with a byte order mark', `\uFEFF${simplePayload(digest)}`, /not JSON/],
  ['that is no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), /UTF-8/],
  ['that is deep', simplePayload(digest).replace('"skopeo"', deep), /nested/],
  ['that is empty', '', /not JSON/],
  ['that is a list', '[]', /object/],
]
for (const [name, text, why] of payloads) {
  test(`signed content ${name} says nothing`, async () => {
    const outcome = await judge(await signMessage(text, release))
    assert.equal(outcome.status, 'malformed', JSON.stringify(outcome))
    assert.match(outcome.why, why)
  })
}

test('content is read only when somebody who counts has signed it', async () => {
  for (const text of [simplePayload(digestOf('other')), '{', simplePayload(digest)]) {
    const outcome = await judge(await signMessage(text, stranger))
    assert.equal(outcome.status, 'untrusted')
    assert.match(outcome.why, /no trusted key made this signature; it says to be made by [0-9a-f]{16}/)
    assert.equal(outcome.reference, undefined)
  }
})

test('a good signature for another image tells the name that it gives', async () => {
  const outcome = await judge(await signMessage(simplePayload(digestOf('other')), release))
  assert.equal((outcome as Rejection).reference, 'registry.example/app:1')
})
