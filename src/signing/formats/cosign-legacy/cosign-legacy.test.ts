import assert from 'node:assert/strict'
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOf, hexOf } from '../../../kernel/digest.ts'
import type { Attachment, Claim, Rejection, Signer } from '../../types.ts'
import { cosignLegacy } from './index.ts'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const digest = digestOf('an image')
const simpleSigning = 'application/vnd.dev.cosign.simplesigning.v1+json'
const dsse = 'application/vnd.dsse.envelope.v1+json'
const signatureAnnotation = 'dev.cosignproject.cosign/signature'

function signerOf(key: KeyObject, name = 'release'): Signer {
  const pem = key.export({ type: 'spki', format: 'pem' }).toString()
  return { name, identity: { kind: 'key', publicKey: pem }, state: 'active' }
}

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

function signed(text: string | Buffer, key = privateKey): string {
  return sign('sha256', Buffer.from(text), { key, dsaEncoding: 'der' }).toString('base64')
}

function attachmentOf(via: Attachment['via'], artifactType?: string): Attachment {
  const layers = [simpleSigning, dsse, 'text/plain'].map((mediaType) => ({ mediaType, digest, size: 1 }))
  return { digest: digestOf('manifest'), via, artifactType, annotations: {}, layers }
}

function judge(
  content: string | Buffer,
  annotations: Record<string, string> = { [signatureAnnotation]: signed(content) },
  {
    mediaType = simpleSigning,
    signers = [signerOf(publicKey)],
  }: { mediaType?: string; signers?: readonly Signer[] } = {},
): Promise<Claim | Rejection> {
  const bytes = Buffer.from(content)
  const layer = { mediaType, digest: digestOf(bytes), size: bytes.length, annotations }
  const attachment = attachmentOf(mediaType === dsse ? 'att-tag' : 'sig-tag')
  const question = { subject: { digest, mediaType: '', size: 1 }, signers, now: 0 }
  return cosignLegacy.verify({ attachment, layer, bytes }, question)
}

test('a signature of a trusted key over this digest is verified, with all that is known of it', async () => {
  const text = payload({ optional: { creator: 'skopeo', timestamp: 1_700_000_000 } })
  assert.deepEqual(await judge(text), {
    status: 'verified',
    claim: 'signature',
    reference: 'registry.example/app',
    format: 'cosign-legacy',
    manifest: digestOf('manifest'),
    layer: digestOf(text),
    signer: 'release',
    keyAlgorithm: 'ecdsa-p256',
    claimedAt: 1_700_000_000_000,
    isLogged: false,
    isTimestamped: false,
  })
})

const rawSignature = (text: string): string =>
  sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64')
const withSignature = (signature: string): Promise<Claim | Rejection> =>
  judge(payload(), { [signatureAnnotation]: signature })
const zeros = Buffer.from('3006020100020100', 'hex').toString('base64')
const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`

const attacks: readonly [
  name: string,
  expected: Rejection['status'],
  why: RegExp,
  judge: () => Promise<Claim | Rejection>,
][] = [
  [
    'a key that is not trusted',
    'untrusted',
    /no trusted key/,
    () =>
      judge(payload(), undefined, {
        signers: [signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)],
      }),
  ],
  ['no signer at all', 'untrusted', /no trusted key/, () => judge(payload(), undefined, { signers: [] })],
  [
    'a signature of another image',
    'malformed',
    /another image/,
    () => judge(payload({}, { image: { 'docker-manifest-digest': digestOf('other') } })),
  ],
  [
    'another type of payload',
    'malformed',
    /type/,
    () => judge(payload({}, { type: 'atomic container signature' })),
  ],
  [
    'a critical member that is not understood',
    'malformed',
    /critical/,
    () => judge(payload({}, { expires: 'never' })),
  ],
  [
    'a member of the identity that is not understood',
    'malformed',
    /identity/,
    () => judge(payload({}, { identity: { 'docker-reference': 'a', scope: 'b' } })),
  ],
  [
    'a member beside critical and optional',
    'malformed',
    /simple signing/,
    () => judge(payload({ extra: 1 })),
  ],
  [
    'an empty reference',
    'malformed',
    /reference/,
    () => judge(payload({}, { identity: { 'docker-reference': '' } })),
  ],
  [
    'the digest twice',
    'malformed',
    /twice/,
    () => judge(payload().replace('"image":', '"image":{"docker-manifest-digest":"x"},"image":')),
  ],
  [
    'the digest twice, once with an escaped key',
    'malformed',
    /twice/,
    () => judge(payload().replace('"image":', '"im\\u0061ge":{"docker-manifest-digest":"x"},"image":')),
  ],
  [
    'bytes that changed after signing',
    'untrusted',
    /no trusted key/,
    () => judge(payload(), { [signatureAnnotation]: signed(`${payload()} `) }),
  ],
  ['a signature that is no base64', 'malformed', /base64/, () => withSignature('!!')],
  ['a signature with a line break', 'malformed', /base64/, () => withSignature(`${signed(payload())}\n`)],
  ['an empty signature', 'malformed', /no signature/, () => withSignature('')],
  ['no annotation', 'malformed', /no signature/, () => judge(payload(), {})],
  ['a huge signature', 'malformed', /too long/, () => withSignature('A'.repeat(1_000_000))],
  ['r and s side by side', 'untrusted', /no trusted key/, () => withSignature(rawSignature(payload()))],
  ['r = s = 0', 'untrusted', /no trusted key/, () => withSignature(zeros)],
  ['a truncated payload', 'malformed', /not JSON/, () => judge(payload().slice(0, -1))],
  ['a payload with a byte order mark', 'malformed', /not JSON/, () => judge(`\uFEFF${payload()}`)],
  ['a payload that is no UTF-8', 'malformed', /UTF-8/, () => judge(Buffer.from([0x7b, 0xff, 0x7d]))],
  [
    'a huge payload',
    'malformed',
    /bytes/,
    () => judge(payload({ optional: { filler: 'x'.repeat(70_000) } })),
  ],
  ['a deep payload', 'malformed', /nested/, () => judge(payload().replace('null', deep))],
  [
    'a layer of another type',
    'malformed',
    /type text/,
    () => judge(payload(), undefined, { mediaType: 'text/plain' }),
  ],
  [
    'a certificate that is none',
    'malformed',
    /certificate/,
    () =>
      judge(payload(), { [signatureAnnotation]: signed(payload()), 'dev.sigstore.cosign/certificate': 'x' }),
  ],
  [
    'a log entry that is none',
    'malformed',
    /log entry/,
    () =>
      judge(payload(), {
        [signatureAnnotation]: signed(payload()),
        'dev.sigstore.cosign/bundle': '{"a":1,"a":2}',
      }),
  ],
  [
    'a timestamp that is none',
    'malformed',
    /timestamp/,
    () =>
      judge(payload(), {
        [signatureAnnotation]: signed(payload()),
        'dev.sigstore.cosign/rfc3161timestamp': '{}',
      }),
  ],
]
for (const [name, status, why, run] of attacks) {
  test(`pitfall 17: ${name} is ${status}`, async () => {
    const outcome = await run()
    assert.equal(outcome.status, status)
    assert.match(outcome.why, why)
  })
}

test('the algorithm is that of the trusted key: every other kind of key refuses the signature', async () => {
  const pairs = [
    generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    generateKeyPairSync('ec', { namedCurve: 'P-521' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
    generateKeyPairSync('ed25519'),
  ]
  for (const pair of pairs) {
    const outcome = await judge(payload(), undefined, { signers: [signerOf(pair.publicKey)] })
    assert.equal(outcome.status, 'untrusted')
  }
})

test('of several signers the one that signed is named, in whatever order they stand', async () => {
  const other = signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey, 'other')
  for (const signers of [
    [other, signerOf(publicKey)],
    [signerOf(publicKey), other],
  ]) {
    const outcome = await judge(payload(), undefined, { signers })
    assert.equal(outcome.status === 'verified' && outcome.signer, 'release')
  }
})

test('a signer whose key cannot be read refuses nobody else', async () => {
  const broken: Signer = { name: 'broken', identity: { kind: 'key', publicKey: 'nonsense' }, state: 'active' }
  const outcome = await judge(payload(), undefined, { signers: [broken, signerOf(publicKey)] })
  assert.equal(outcome.status, 'verified')
})

test('layers are read where cosign puts them, envelopes on any referrer, and nothing elsewhere', () => {
  const typesOf = (attachment: Attachment): string[] =>
    cosignLegacy.envelopesOf(attachment).map(({ mediaType }) => mediaType)
  assert.deepEqual(typesOf(attachmentOf('sig-tag')), [simpleSigning])
  assert.deepEqual(typesOf(attachmentOf('att-tag')), [dsse])
  assert.deepEqual(typesOf(attachmentOf('referrer', 'application/vnd.dev.cosign.artifact.sig.v1+json')), [
    simpleSigning,
  ])
  assert.deepEqual(typesOf(attachmentOf('referrer', 'application/vnd.oci.image.config.v1+json')), [dsse])
})

const inToto = 'application/vnd.in-toto+json'

function envelope(statement: object, change: object = {}, type = inToto): string {
  const body = Buffer.from(JSON.stringify(statement))
  const sig = signed(Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${body.length} `), body]))
  return JSON.stringify({
    payloadType: type,
    payload: body.toString('base64'),
    signatures: [{ keyid: '', sig }],
    ...change,
  })
}

const failed = {
  _type: 'https://in-toto.io/Statement/v0.1',
  predicateType: 'https://in-toto.io/attestation/test-result/v0.1',
  subject: [{ name: 'registry.example/app', digest: { sha256: hexOf(digest) } }],
  predicate: { result: 'FAILED' },
}

test('an attestation that says FAILED is a claim of its type, and no signature', async () => {
  const outcome = await judge(envelope(failed), {}, { mediaType: dsse })
  assert.ok(outcome.status === 'verified', JSON.stringify(outcome))
  assert.equal(outcome.claim, failed.predicateType)
  assert.deepEqual(outcome.predicate, { result: 'FAILED' })
  assert.equal(outcome.reference, 'registry.example/app')
})

const sha1 = { ...failed, subject: [{ digest: { sha1: '0'.repeat(40) } }] }
const envelopes: readonly [name: string, content: string, why: RegExp][] = [
  ['another payload type', envelope(failed, {}, 'application/json'), /type/],
  ['no signature', envelope(failed, { signatures: [] }), /0 signatures/],
  ['two signatures', envelope(failed, { signatures: [{ sig: 'AAAA' }, { sig: 'AAAA' }] }), /2 signatures/],
  ['a member that is not known', envelope(failed, { extra: 1 }), /no DSSE envelope/],
  ['a subject with SHA-1 alone', envelope(sha1), /something else/],
  ['no subject', envelope({ ...failed, subject: [] }), /no in-toto statement/],
]
for (const [name, content, why] of envelopes) {
  test(`an attestation with ${name} is malformed`, async () => {
    const outcome = await judge(content, {}, { mediaType: dsse })
    assert.equal(outcome.status, 'malformed')
    assert.match(outcome.why, why)
  })
}

test('whatever a payload and its annotations hold, judging them ends with an answer that is no', async () => {
  const annotation = fc.oneof(fc.string(), fc.base64String(), fc.json())
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(annotation, { minLength: 5, maxLength: 5 }),
      async (bytes, values) => {
        const [signature = '', certificate = '', chain = '', bundle = '', timestamp = ''] = values
        const annotations = {
          [signatureAnnotation]: signature,
          'dev.sigstore.cosign/certificate': certificate,
          'dev.sigstore.cosign/chain': chain,
          'dev.sigstore.cosign/bundle': bundle,
          'dev.sigstore.cosign/rfc3161timestamp': timestamp,
        }
        for (const mediaType of [simpleSigning, dsse]) {
          assert.notEqual((await judge(Buffer.from(bytes), annotations, { mediaType })).status, 'verified')
          assert.notEqual((await judge(payload(), annotations, { mediaType })).status, 'verified')
        }
      },
    ),
    { numRuns: 300 },
  )
})
