import assert from 'node:assert/strict'
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { readVexAttestation } from './read-vex-attestation.ts'
import { parseVexKey, preAuthenticationEncoding, verifierOf } from './verify-envelope.ts'

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ed = generateKeyPairSync('ed25519')
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const verify = verifierOf([
  { name: 'product security', key: ec.publicKey },
  { name: 'vendor', key: ed.publicKey },
])
const hex = '1'.repeat(64)

const openvex = {
  '@context': 'https://openvex.dev/ns/v0.2.0',
  '@id': 'https://vex.example/1',
  author: 'Shop team',
  timestamp: '2026-01-01T00:00:00Z',
  version: 1,
  statements: [
    { vulnerability: { name: 'CVE-2026-1' }, status: 'not_affected', justification: 'component_not_present' },
  ],
}
const statement = (change: object = {}): object => ({
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'shop', digest: { sha256: hex } }],
  predicateType: 'https://openvex.dev/ns/v0.2.0',
  predicate: openvex,
  ...change,
})

function envelope(
  payload: unknown,
  key: KeyObject = ec.privateKey,
  type = 'application/vnd.in-toto+json',
  signedType = type,
): { payloadType: string; payload: string; signatures: { keyid: string; sig: string }[] } {
  const bytes = Buffer.from(JSON.stringify(payload))
  const message = preAuthenticationEncoding(signedType, bytes)
  const signature =
    key.asymmetricKeyType === 'ed25519'
      ? sign(null, message, key)
      : sign('sha256', message, { key, dsaEncoding: 'der' })
  return {
    payloadType: type,
    payload: bytes.toString('base64'),
    signatures: [{ keyid: '', sig: signature.toString('base64') }],
  }
}

function read(document: unknown): ReturnType<typeof readVexAttestation> {
  return readVexAttestation(Buffer.from(JSON.stringify(document)), verify)
}

test('what is signed is the encoding of the DSSE specification', () => {
  assert.equal(
    preAuthenticationEncoding('http://example.com/HelloWorld', Buffer.from('hello world')).toString(),
    'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
  )
  assert.equal(preAuthenticationEncoding('ü', Buffer.from('')).toString(), 'DSSEv1 2 ü 0 ')
})

for (const [name, key, signer] of [
  ['ECDSA on P-256', ec.privateKey, 'product security'],
  ['Ed25519', ed.privateKey, 'vendor'],
] as const) {
  test(`VEX signed with ${name} by somebody trusted is read, with its subjects and signer`, () => {
    const attestation = read(envelope(statement(), key))
    assert.ok(attestation.status === 'trusted')
    assert.equal(attestation.signer, signer)
    assert.deepEqual(attestation.subjects, [`sha256:${hex}`])
    assert.equal(attestation.document.statements[0]?.vulnerability, 'CVE-2026-1')
  })
}

test('an envelope inside a Sigstore bundle is read, and its certificates count for nothing', () => {
  const bundle = { mediaType: 'x', verificationMaterial: { certificate: {} } }
  assert.equal(read({ ...bundle, dsseEnvelope: envelope(statement()) }).status, 'trusted')
  assert.equal(
    read({ ...bundle, dsseEnvelope: envelope(statement(), stranger.privateKey) }).status,
    'untrusted',
  )
})

test('one good signature among foreign ones is enough, and URL-safe base64 is as good', () => {
  const good = envelope(statement())
  const bad = envelope(statement(), stranger.privateKey)
  const signatures = [...bad.signatures, ...good.signatures].map(({ keyid, sig }) => ({
    keyid,
    sig: sig.replaceAll('+', '-').replaceAll('/', '_'),
  }))
  assert.equal(read({ ...good, signatures }).status, 'trusted')
})

const attacks: readonly [name: string, expected: string, document: unknown][] = [
  ['a key that nobody trusts', 'untrusted', envelope(statement(), stranger.privateKey)],
  [
    'a payload that changed after signing',
    'untrusted',
    {
      ...envelope(statement()),
      payload: Buffer.from(JSON.stringify(statement({ x: 1 }))).toString('base64'),
    },
  ],
  [
    'a payload type that changed after signing',
    'untrusted',
    envelope(statement(), ec.privateKey, 'application/vnd.in-toto+json', 'text/plain'),
  ],
  ['a signature that is no base64', 'untrusted', { ...envelope(statement()), signatures: [{ sig: '!' }] }],
  ['no signature', 'malformed', { ...envelope(statement()), signatures: [] }],
  ['another payload type', 'unrelated', envelope(statement(), ec.privateKey, 'text/plain')],
  [
    'another predicate',
    'unrelated',
    envelope(statement({ predicateType: 'https://slsa.dev/provenance/v1' })),
  ],
  ['another type of statement', 'malformed', envelope(statement({ _type: 'x' }))],
  ['a predicate that is no VEX', 'malformed', envelope(statement({ predicate: { a: 1 } }))],
  ['a document without an envelope', 'malformed', openvex],
  ['null', 'malformed', null],
]
for (const [name, expected, document] of attacks) {
  test(`${name} is ${expected}`, () => assert.equal(read(document).status, expected))
}

test('an attestation by a signer who was removed is not believed', () => {
  const bytes = Buffer.from(JSON.stringify(envelope(statement())))
  assert.equal(readVexAttestation(bytes, verifierOf([])).status, 'untrusted')
})

test('whatever bytes come, reading them ends with an answer that is not trust', () => {
  const base = envelope(statement())
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        fc
          .record({
            payloadType: fc.string(),
            payload: fc.base64String(),
            signatures: fc.array(fc.record({ sig: fc.base64String() }), { minLength: 1 }),
          })
          .map((one) => Buffer.from(JSON.stringify({ ...base, ...one, payloadType: base.payloadType }))),
      ),
      (bytes) => assert.notEqual(readVexAttestation(bytes, verify).status, 'trusted'),
    ),
    { numRuns: 300 },
  )
})

test('only ECDSA on P-256 and Ed25519 are taken as keys, and a private key is not', () => {
  const spki = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }) as string
  for (const { publicKey } of [ec, ed]) assert.ok(parseVexKey(spki(publicKey)))
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey
  const secret = ec.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  for (const pem of [spki(rsa), spki(p384), secret, 'nonsense', '']) {
    assert.throws(() => parseVexKey(pem), { code: 'SIGNER_INVALID' })
  }
})
