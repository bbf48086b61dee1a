import assert from 'node:assert/strict'
import { sign } from 'node:crypto'
import { test } from 'node:test'
import { encode, Tagged } from 'cborg'
import {
  makeAuthority,
  makeLeaf,
  makeStamper,
  releaseSubject,
} from '../../../../test/fixtures/code-authority.ts'
import type { Made } from '../../../../test/fixtures/make-certificate.ts'
import { makeTimestamp } from '../../../../test/fixtures/make-timestamp.ts'
import { digestOf } from '../../../kernel/digest.ts'
import type { Attachment, Claim, NotationIdentity, Rejection, Subject } from '../../types.ts'
import { notation } from './notation.ts'

const now = Date.parse('2026-06-01T12:00:00Z')
const late = Date.parse('2027-06-01')
const subject: Subject = {
  digest: digestOf('an image'),
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  size: 100,
}
const root = makeAuthority()
const leaf = makeLeaf(root)
const stampRoot = makeAuthority({ name: 'stamps' })
const stamper = makeStamper(stampRoot)
const scheme = 'io.cncf.notary.signingScheme'
const expiry = 'io.cncf.notary.expiry'
const seconds = (time: number): Tagged => new Tagged(1, time / 1000)

const usual: readonly (readonly [unknown, unknown])[] = [
  [1, -7],
  [2, [scheme]],
  [3, 'application/vnd.cncf.notary.payload.v1+json'],
  [scheme, 'notary.x509'],
  ['io.cncf.notary.signingTime', seconds(now - 1000)],
]

interface Wish {
  readonly headers?: readonly (readonly [unknown, unknown])[]
  readonly head?: Uint8Array
  readonly payload?: object
  readonly chain?: readonly Made[]
  readonly others?: readonly (readonly [unknown, unknown])[]
  readonly timestamp?: (signature: Buffer) => Buffer
  readonly tag?: number
}

/** Really signed, whatever is wrong with it. */
function forge({ headers = usual, chain = [leaf, root], others = [], tag = 18, ...wish }: Wish = {}): Buffer {
  const head = wish.head ?? encode(new Map(headers))
  const payload = Buffer.from(JSON.stringify(wish.payload ?? { targetArtifact: subject }))
  const message = encode(['Signature1', head, new Uint8Array(), payload])
  const signature = sign('sha256', message, { key: leaf.privateKey, dsaEncoding: 'ieee-p1363' })
  const stamped = wish.timestamp
    ? [['io.cncf.notary.timestampSignature', wish.timestamp(signature)] as const]
    : []
  const loose = new Map<unknown, unknown>([[33, chain.map(({ der }) => der)], ...stamped, ...others])
  return Buffer.from(encode(new Tagged(tag, [head, loose, payload, signature])))
}

function judge(bytes: Buffer, change: Partial<NotationIdentity> = {}, at = now): Promise<Claim | Rejection> {
  const layer = { mediaType: 'application/cose', digest: digestOf(bytes), size: bytes.length }
  const attachment: Attachment = {
    digest: digestOf('a manifest'),
    via: 'referrer',
    artifactType: 'application/vnd.cncf.notary.signature',
    annotations: {},
    layers: [layer],
  }
  const identity = {
    kind: 'notation',
    authorities: [root.pem],
    timestampAuthorities: [],
    subject: releaseSubject,
    ...change,
  } as const
  const signers = [{ name: 'release', identity, state: 'active' }] as const
  return notation.verify({ attachment, layer, bytes }, { subject, signers, now: at })
}

const withHeader = (label: unknown, value: unknown): readonly (readonly [unknown, unknown])[] => [
  ...usual.filter(([own]) => own !== label),
  [label, value],
]
const withExpiry = (time: unknown, critical: readonly unknown[] = [scheme, expiry]): Wish => ({
  headers: [...withHeader(2, critical), [expiry, time]],
})
/** The head of a map of one more entry, with that entry at its end. */
const twice = Buffer.concat([
  Buffer.of(0xa6),
  Buffer.from(encode(new Map(usual))).subarray(1),
  Buffer.of(1, 0x26),
])

test('verifies what has no fault, and says all that is signed', async () => {
  const outcome = await judge(forge(withExpiry(seconds(now + 1000))))
  assert.equal(outcome.status, 'verified', JSON.stringify(outcome))
  assert.ok(outcome.status === 'verified')
  assert.deepEqual(outcome.certificate, { subject: releaseSubject })
  assert.deepEqual(
    [outcome.claim, outcome.keyAlgorithm, outcome.claimedAt],
    ['signature', 'ecdsa-p256', now - 1000],
  )
  assert.deepEqual(
    [outcome.provenAt, outcome.isTimestamped, outcome.reference],
    [undefined, false, undefined],
  )
})

const attacks: readonly (readonly [about: string, bytes: Buffer, why: RegExp])[] = [
  ['a label twice among the signed headers', forge({ head: twice }), /cannot be read/],
  ['something after the envelope', Buffer.concat([forge(), Buffer.of(0)]), /cannot be read/],
  ['an envelope that ends early', forge().subarray(0, -1), /cannot be read/],
  [
    'a number that is not in its shortest form',
    Buffer.concat([Buffer.of(0xd8, 18), forge().subarray(1)]),
    /cannot be read/,
  ],
  [
    'arrays in one another',
    Buffer.concat([Buffer.alloc(100_000, 0x81), Buffer.of(0)]),
    /more than 64 arrays/,
  ],
  ['an array without end', Buffer.from('9f9f9f', 'hex'), /cannot be read/],
  ['an array of four thousand million', Buffer.from('9affffffff', 'hex'), /cannot be read/],
  ['another tag', forge({ tag: 98 }), /cannot be read/],
  ['no tag', forge().subarray(1), /COSE_Sign1/],
  ['HMAC', forge({ headers: withHeader(1, 5) }), /algorithm/],
  ['an algorithm for another key', forge({ headers: withHeader(1, -37) }), /makes ES256/],
  ['a longer hash than the key has', forge({ headers: withHeader(1, -35) }), /makes ES256/],
  ['an algorithm that is only in text', forge({ headers: withHeader(1, 'ES256') }), /algorithm/],
  ['another content type', forge({ headers: withHeader(3, 'application/json') }), /content type/],
  [
    'the scheme of signing authorities',
    forge({ headers: withHeader(scheme, 'notary.x509.signingAuthority') }),
    /signing scheme/,
  ],
  ['no critical headers', forge({ headers: usual.filter(([label]) => label !== 2) }), /critical/],
  ['a scheme that is not critical', forge({ headers: withHeader(2, []) }), /not marked critical/],
  [
    'an unknown critical header',
    forge({ headers: [...withHeader(2, [scheme, 'x']), ['x', 1]] }),
    /"x" is not understood/,
  ],
  ['a critical label that is a number', forge({ headers: withHeader(2, [scheme, 3]) }), /not understood/],
  ['a critical header twice', forge({ headers: withHeader(2, [scheme, scheme]) }), /listed twice/],
  [
    'a plugin that has to verify',
    forge({ headers: [...usual, ['io.cncf.notary.verificationPlugin', 'x']] }),
    /not understood/,
  ],
  ['no signing time', forge({ headers: usual.slice(0, -1) }), /signing time/],
  [
    'a signing time without its tag',
    forge({ headers: withHeader('io.cncf.notary.signingTime', 1) }),
    /signing time/,
  ],
  ['an expiry that is reached', forge(withExpiry(seconds(now))), /expired/],
  ['an expiry that is not critical', forge(withExpiry(seconds(now + 1000), [scheme])), /not marked critical/],
  ['an expiry before it was signed', forge(withExpiry(seconds(now - 2000))), /expiry/],
  ['a header both signed and not', forge({ others: [[scheme, 'notary.x509']] }), /both signed and not/],
  [
    'another digest',
    forge({ payload: { targetArtifact: { ...subject, digest: digestOf('other') } } }),
    /its digest is/,
  ],
  [
    'a size that is off by one',
    forge({ payload: { targetArtifact: { ...subject, size: 101 } } }),
    /its size is/,
  ],
  [
    'another media type',
    forge({ payload: { targetArtifact: { ...subject, mediaType: 'a/b' } } }),
    /its mediaType is/,
  ],
  [
    'a condition beside the image',
    forge({ payload: { targetArtifact: subject, unless: 1 } }),
    /no descriptor/,
  ],
  ['no certificates', forge({ chain: [] }), /no chain/],
  ['too many certificates', forge({ chain: Array<Made>(9).fill(root) }), /no chain/],
  ['a chain without its root', forge({ chain: [leaf] }), /not the whole chain/],
  [
    'a certificate that is not of the chain',
    forge({ chain: [leaf, stampRoot, root] }),
    /not the whole chain/,
  ],
  ['the certificate of another key', forge({ chain: [makeLeaf(root), root] }), /did not make the signature/],
]
for (const [about, bytes, why] of attacks) {
  test(`refuses ${about}`, async () => {
    const outcome = await judge(bytes)
    assert.notEqual(outcome.status, 'verified')
    assert.match(outcome.status === 'verified' ? '' : outcome.why, why)
  })
}

const stamp = (at: number, message?: Buffer) => ({
  timestamp: (signature: Buffer) => makeTimestamp({ message: message ?? signature, at, signer: stamper }),
})
const trusted = { timestampAuthorities: [stampRoot.pem] }

test('a timestamp proves a time, at which the chain is judged though it has expired since', async () => {
  const outcome = await judge(forge(stamp(now)), trusted, late)
  assert.ok(outcome.status === 'verified', JSON.stringify(outcome))
  assert.deepEqual([outcome.provenAt, outcome.isTimestamped], [now + 1000, true])
})

const stamps: readonly (readonly [
  about: string,
  bytes: Buffer,
  identity: Partial<NotationIdentity>,
  at: number,
  why: RegExp,
])[] = [
  ['an expired chain without a timestamp', forge(), trusted, late, /was not valid/],
  ['an expired chain whose timestamp nobody can judge', forge(stamp(now)), {}, late, /was not valid/],
  [
    'a timestamp of another signature',
    forge(stamp(now, Buffer.from('other'))),
    trusted,
    now,
    /of something else/,
  ],
  [
    'a timestamp of an authority that is not trusted',
    forge(stamp(now)),
    { timestampAuthorities: [root.pem] },
    now,
    /issued the certificate of CN=stamper is missing/,
  ],
  ['a timestamp after its authority had expired', forge(stamp(late)), trusted, now, /was not valid/],
  [
    'a timestamp that is none',
    forge({ timestamp: () => Buffer.from('none') }),
    trusted,
    now,
    /timestamp does not hold/,
  ],
]
for (const [about, bytes, identity, at, why] of stamps) {
  test(`refuses ${about}`, async () => {
    const outcome = await judge(bytes, identity, at)
    assert.equal(outcome.status, 'untrusted')
    assert.match(outcome.status === 'untrusted' ? outcome.why : '', why)
  })
}

test('where two signers fit one certificate, the one that counts for less decides', async () => {
  const bytes = forge()
  const layer = { mediaType: 'application/cose', digest: digestOf(bytes), size: bytes.length }
  const attachment: Attachment = {
    digest: digestOf('m'),
    via: 'referrer',
    artifactType: undefined,
    annotations: {},
    layers: [layer],
  }
  const identity = {
    kind: 'notation',
    authorities: [root.pem],
    timestampAuthorities: [],
    subject: '*',
  } as const
  const signers = (['active', 'compromised'] as const).map((state) => ({ name: state, identity, state }))
  const outcome = await notation.verify({ attachment, layer, bytes }, { subject, signers, now })
  assert.equal(outcome.status === 'verified' && outcome.signer, 'compromised')
})
