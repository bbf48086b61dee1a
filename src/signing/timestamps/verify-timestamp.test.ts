import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  codeSigning,
  makeAuthority,
  makeLeaf,
  makeStamper,
  timeStamping,
} from '../../../test/fixtures/code-authority.ts'
import { extendedKeyUsage, keyUsage, oid, sequence, tlv } from '../../../test/fixtures/make-certificate.ts'
import { attribute, makeTimestamp, type TimestampWish } from '../../../test/fixtures/make-timestamp.ts'
import { seededRandom } from '../../../test/fixtures/seeded-random.ts'
import { readPemBlocks } from '../trusted-roots/pem.ts'
import { TimestampError, verifyTimestamp } from './index.ts'

const at = Date.parse('2026-06-01T12:00:00Z')
const message = Buffer.from('a signature')
const root = makeAuthority()
const stranger = makeAuthority()
const issuing = makeAuthority({ name: 'issuing', issuer: root })
const signer = makeStamper(issuing)
const usual: TimestampWish = { message, at, signer, others: [issuing.der] }
const stamp = (wish: Partial<TimestampWish> = {}): Buffer => makeTimestamp({ ...usual, ...wish })
const swapped = (index: number, other: Buffer) => (all: readonly Buffer[]) => all.with(index, other)
const contentType = '1.2.840.113549.1.9.3'
const digestOfMessage = '1.2.840.113549.1.9.4'
const certificateV1 = '1.2.840.113549.1.9.16.2.12'
const hash = (algorithm: string, bytes: Buffer): Buffer => createHash(algorithm).update(bytes).digest()
const named = (digest: Buffer): Buffer => sequence(sequence(sequence(tlv(4, digest))))

const testdata = join(import.meta.dirname, '../formats/notation/testdata')
const real = JSON.parse(readFileSync(join(testdata, 'jwsWithTimestamp.sig'), 'utf8')) as {
  readonly signature: string
  readonly header: Readonly<Record<string, string>>
}
const realToken = Buffer.from(real.header['io.cncf.notary.timestampSignature'] ?? '', 'base64')
const realMessage = Buffer.from(real.signature, 'base64url')
const realRoots = readPemBlocks(readFileSync(join(testdata, 'globalsignRoot.pem'), 'utf8'), 'CERTIFICATE')

const accepted: readonly (readonly [about: string, token: Buffer])[] = [
  ['a token with the issuer of its authority', stamp()],
  ['a token with the root too', stamp({ others: [root.der, issuing.der] })],
  [
    'a certificate that is named by SHA-1, as RFC 3161 had it',
    stamp({ attributes: swapped(2, attribute(certificateV1, named(hash('sha1', signer.der)))) }),
  ],
]
for (const [about, token] of accepted) {
  test(`accepts ${about}`, async () => {
    assert.deepEqual(await verifyTimestamp({ token, message, roots: [root.der] }), {
      from: at - 1000,
      to: at + 1000,
    })
  })
}

const wide = (wish: Parameters<typeof makeStamper>[1]): Buffer =>
  stamp({ signer: makeStamper(issuing, wish) })

const refused: readonly (readonly [about: string, token: Buffer, why: RegExp, roots?: readonly Buffer[]])[] =
  [
    ['a timestamp of another signature', stamp({ message: Buffer.from('another') }), /of something else/],
    [
      'an authority that is not trusted',
      stamp(),
      /issued the certificate of CN=issuing is missing/,
      [stranger.der],
    ],
    [
      'an authority that is not trusted and sends its root',
      stamp({ others: [issuing.der, root.der] }),
      /no trusted authority/,
      [stranger.der],
    ],
    [
      'any authority when none is trusted',
      stamp({ others: [issuing.der, root.der] }),
      /no trusted authority/,
      [],
    ],
    ['a missing issuer', stamp({ others: [] }), /is missing/],
    ['a time before its authority', stamp({ at: Date.parse('2025-12-31') }), /was not valid/],
    ['a time after its authority', stamp({ at: Date.parse('2027-06-01') }), /was not valid/],
    ['an authority that had expired', wide({ notAfter: Date.parse('2026-05-01') }), /was not valid/],
    ['a certificate for signing code', stamp({ signer: makeLeaf(issuing) }), /timeStamping/],
    [
      'a purpose that is not critical',
      wide({ extensions: [keyUsage(0), extendedKeyUsage(timeStamping)] }),
      /not critically so/,
    ],
    [
      'a certificate for code and timestamps',
      wide({ extensions: [keyUsage(0), extendedKeyUsage(timeStamping, codeSigning)] }),
      /timeStamping/,
    ],
    ['a certificate for any purpose', wide({ extensions: [keyUsage(0)] }), /not for timestamps/],
    [
      'other content than was signed',
      stamp({
        content: (info) => Buffer.from(info.toString('latin1').replace('20260601', '20260602'), 'latin1'),
      }),
      /signed something else/,
    ],
    [
      'a token that another key signed in the name of an authority',
      stamp({ signer: { ...signer, privateKey: stranger.privateKey } }),
      /its signature is wrong/,
    ],
    ['a public token for another hash', realToken, /of something else/],
    ['no content type', stamp({ attributes: (all) => all.slice(1) }), /did not sign a timestamp/],
    [
      'another content type',
      stamp({ attributes: swapped(0, attribute(contentType, oid('1.2.840.113549.1.7.1'))) }),
      /did not sign a timestamp/,
    ],
    [
      'no digest of the content',
      stamp({ attributes: (all) => all.toSpliced(1, 1) }),
      /signed something else/,
    ],
    [
      'a digest of something else',
      stamp({ attributes: swapped(1, attribute(digestOfMessage, tlv(4, hash('sha256', message)))) }),
      /signed something else/,
    ],
    [
      'no certificate among what was signed',
      stamp({ attributes: (all) => all.slice(0, 2) }),
      /which certificate is meant/,
    ],
    [
      'another certificate among what was signed',
      stamp({
        attributes: (all) =>
          all.with(2, attribute('1.2.840.113549.1.9.16.2.47', named(hash('sha256', root.der)))),
      }),
      /certificate is missing/,
    ],
    ['an attribute twice', stamp({ attributes: (all) => [...all, all[1]!] }), /stands in it twice/],
    ['something after the token', Buffer.concat([stamp(), Buffer.of(0)]), /not one value/],
    ['nothing', Buffer.alloc(0), /does not hold/],
    ['a token that is too large', Buffer.alloc(70_000), /more than 65536 bytes/],
    [
      'sequences in one another without end',
      Buffer.concat(Array<Buffer>(15_000).fill(Buffer.of(0x30, 0x80))),
      /does not hold/,
    ],
  ]
for (const [about, token, why, roots = [root.der]] of refused) {
  test(`refuses ${about}`, async () => {
    await assert.rejects(verifyTimestamp({ token, message, roots }), (error) => {
      assert.ok(error instanceof TimestampError)
      assert.match(error.message, why)
      return true
    })
  })
}

test("accepts a public authority's token, signed with RSA", async () => {
  const { from, to } = await verifyTimestamp({ token: realToken, message: realMessage, roots: realRoots })
  assert.equal(new Date((from + to) / 2).toISOString(), '2024-06-18T06:29:37.000Z')
})

for (const [about, token, of, roots] of [
  ['one that was made here', stamp(), message, [root.der]],
  ["a public authority's", realToken, realMessage, realRoots],
] as const) {
  test(`no change of a byte in ${about} changes the time that it proves`, async () => {
    const random = seededRandom(11)
    const original = await verifyTimestamp({ token, message: of, roots })
    let refusals = 0
    for (let count = 0; count < 400; count++) {
      const changed = Buffer.from(token)
      const place = Math.floor(random() * changed.length)
      changed[place] = (changed[place] ?? 0) ^ (1 << Math.floor(random() * 8))
      try {
        // What is not signed may change, such as a certificate that is not needed.
        assert.deepEqual(await verifyTimestamp({ token: changed, message: of, roots }), original)
      } catch (error) {
        assert.ok(error instanceof TimestampError)
        refusals++
      }
    }
    assert.ok(refusals > 200, `${refusals} of 400 were refused`)
  })
}

test('refuses a public token whose signature was changed', async () => {
  const changed = Buffer.from(realToken)
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1
  const question = { token: changed, message: realMessage, roots: realRoots }
  await assert.rejects(verifyTimestamp(question), /its signature is wrong/)
})
