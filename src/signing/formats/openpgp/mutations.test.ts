import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  judgeMessage,
  makeKey,
  readOpenpgpTestdata as read,
  secretOf,
  signBefore,
  signerOf,
  signMessage,
  simplePayload,
} from '../../../../test/fixtures/openpgp-messages.ts'
import { seededRandom } from '../../../../test/fixtures/seeded-random.ts'
import { digestOf, type Digest } from '../../../kernel/digest.ts'
import { readSignedMessage } from './read-signed-message.ts'
import { Refusal } from '../sigstore-bundle/refusal.ts'

const digest = digestOf('an image')
const release = await makeKey()
const skopeo = read('gpg/signature-1')
const skopeoDigest = digestOf(read('gpg/manifest.json'))
const skopeoSigner = signerOf(read('gpg/public.asc').toString())

const originals: readonly [name: string, bytes: Buffer, of: Digest, signer: typeof skopeoSigner][] = [
  ['what skopeo made', skopeo, skopeoDigest, skopeoSigner],
  ['what skopeo made, uncompressed', readSignedMessage(skopeo), skopeoDigest, skopeoSigner],
  ['a message by Ed25519', await signMessage(simplePayload(digest), release), digest, signerOf(release)],
  [
    'a message with the signature first',
    await signBefore(simplePayload(digest), secretOf(release)),
    digest,
    signerOf(release),
  ],
]
const mutations = 250

/** One byte changed, one left out, or one put in. */
function mutate(bytes: Buffer, random: () => number): Buffer {
  const at = Math.floor(random() * bytes.length)
  const byte = Math.floor(random() * 256)
  const kind = Math.floor(random() * 4)
  if (kind === 0) return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)])
  if (kind === 1) return Buffer.concat([bytes.subarray(0, at), Buffer.of(byte), bytes.subarray(at)])
  const changed = Buffer.from(bytes)
  changed[at] = kind === 2 ? byte : bytes[at]! ^ (1 << Math.floor(random() * 8))
  return changed
}

for (const [index, [name, bytes, of, signer]] of originals.entries()) {
  test(`no change of a byte in ${name} changes what is verified`, async () => {
    const random = seededRandom(index + 1)
    const original = await judgeMessage(bytes, of, [signer])
    assert.equal(original.status, 'verified', JSON.stringify(original))
    let stillVerified = 0
    for (let count = 0; count < mutations; count++) {
      const outcome = await judgeMessage(mutate(bytes, random), of, [signer])
      if (outcome.status !== 'verified') continue
      // What is not signed may differ, such as the name of a file; what it says may not.
      stillVerified++
      assert.deepEqual({ ...outcome, layer: '' }, { ...original, layer: '' })
    }
    assert.ok(stillVerified < mutations / 4, `${stillVerified} of ${mutations} were still verified`)
  })

  test(`${name}, cut off anywhere, is not verified`, async () => {
    for (let length = 0; length < bytes.length; length++) {
      const outcome = await judgeMessage(bytes.subarray(0, length), of, [signer])
      assert.notEqual(outcome.status, 'verified', `after ${length} of ${bytes.length} bytes`)
    }
  })
}

test('whatever bytes come, they are a signed message or refused', () => {
  const packet = fc
    .tuple(fc.integer({ min: 0x80, max: 0xff }), fc.uint8Array({ maxLength: 300 }))
    .map(([header, body]) => Buffer.concat([Buffer.of(header), body]))
  const message = fc.array(packet, { maxLength: 6 }).map((packets) => Buffer.concat(packets))
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes)),
    message,
  )
  fc.assert(
    fc.property(anything, (bytes) => {
      try {
        readSignedMessage(bytes)
      } catch (error) {
        assert.ok(error instanceof Refusal, String(error))
        assert.equal(error.status, 'malformed')
      }
    }),
    { numRuns: 1000 },
  )
})
