import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { parsePublicKey, verifyPayload, type TrustedKey } from './verify-payload.ts'
import { signatureTag, subjectOfSignatureTag } from './verify-signatures.ts'
import { digestOf } from '../kernel/digest.ts'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const trusted: TrustedKey[] = [{ name: 'release', key: publicKey }]
const digest = digestOf('an image')

function payload(change: object = {}, critical: object = {}): string {
  return JSON.stringify({
    critical: {
      identity: { 'docker-reference': 'registry.example/app' },
      image: { 'docker-manifest-digest': digest },
      type: 'cosign container image signature',
      ...critical,
    },
    optional: null,
    ...change,
  })
}

function signed(text: string, key = privateKey): string {
  return sign('sha256', Buffer.from(text), { key, dsaEncoding: 'der' }).toString('base64')
}

function statusOf(text: string, signature = signed(text), keys = trusted): string {
  return verifyPayload(Buffer.from(text), signature, digest, keys).status
}

test('a signature of a trusted key over this digest is verified, and the key named', () => {
  const evidence = verifyPayload(Buffer.from(payload()), signed(payload()), digest, trusted)
  assert.deepEqual(evidence, { status: 'verified', key: 'release', reference: 'registry.example/app' })
})

const attacks: readonly [name: string, expected: string, judge: () => string][] = [
  [
    'a key that is not trusted',
    'untrusted',
    () =>
      statusOf(payload(), signed(payload(), generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)),
  ],
  ['no trusted key at all', 'untrusted', () => statusOf(payload(), signed(payload()), [])],
  [
    'a signature of another image',
    'malformed',
    () => statusOf(payload({}, { image: { 'docker-manifest-digest': digestOf('other') } })),
  ],
  [
    'another type of statement',
    'malformed',
    () => statusOf(payload({}, { type: 'atomic container signature' })),
  ],
  [
    'a critical member that is not understood',
    'malformed',
    () => statusOf(payload({}, { expires: 'never' })),
  ],
  [
    'the digest twice',
    'malformed',
    () => statusOf(payload().replace('"image":', '"image":{"docker-manifest-digest":"x"},"image":')),
  ],
  ['bytes that changed after signing', 'untrusted', () => statusOf(payload(), signed(`${payload()} `))],
  ['a signature that is no base64', 'malformed', () => statusOf(payload(), '!!')],
  ['an empty signature', 'malformed', () => statusOf(payload(), '')],
]
for (const [name, expected, judge] of attacks) {
  test(`pitfall 17: ${name} is ${expected}`, () => assert.equal(judge(), expected))
}

test('pitfall 17: only ECDSA on P-256 is taken as a key, and a private key is not', () => {
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({
    type: 'spki',
    format: 'pem',
  })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
    type: 'spki',
    format: 'pem',
  })
  const secret = privateKey.export({ type: 'pkcs8', format: 'pem' })
  for (const pem of [p384, rsa, secret, 'nonsense', '']) {
    assert.throws(() => parsePublicKey(pem.toString()), { code: 'KEY_INVALID' })
  }
})

test('whatever a payload and a signature hold, judging them ends with an answer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), (bytes, signature) => {
      assert.notEqual(verifyPayload(bytes, signature, digest, trusted).status, 'verified')
    }),
  )
})

test('the tag of signatures leads to its subject and back', () => {
  assert.equal(subjectOfSignatureTag(signatureTag(digest)), digest)
  for (const tag of ['latest', 'sha256-abc.sig', `sha256-${'a'.repeat(64)}`]) {
    assert.equal(subjectOfSignatureTag(tag), undefined)
  }
})
