import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestOf, hexOf, type Digest } from '../../../kernel/digest.ts'
import type { Attachment, Claim, Rejection, Signer } from '../../types.ts'
import { sigstoreBundle, verifyBlobBundle } from './index.ts'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const digest = digestOf('an image')
const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
const inToto = 'application/vnd.in-toto+json'

function signerOf(key: KeyObject): Signer {
  const pem = key.export({ type: 'spki', format: 'pem' }).toString()
  return { name: 'release', identity: { kind: 'key', publicKey: pem }, state: 'active' }
}

const statement = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'registry.example/app:1.0', digest: { sha256: hexOf(digest) } }],
  predicateType: 'https://sigstore.dev/cosign/sign/v1',
  predicate: {},
}

function envelopeOf(content: object | string, type = inToto): object {
  const body = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
  const message = Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${body.length} `), body])
  const sig = sign('sha256', message, { key: privateKey, dsaEncoding: 'der' }).toString('base64')
  return { payload: body.toString('base64'), payloadType: type, signatures: [{ sig }] }
}

function bundleOf(content: object | string = statement, change: object = {}): object {
  const verificationMaterial = { publicKey: { hint: 'aGludA==' } }
  return { mediaType: bundleType, verificationMaterial, dsseEnvelope: envelopeOf(content), ...change }
}

interface Setting {
  readonly layerType?: string
  readonly artifactType?: string | undefined
  readonly annotations?: Record<string, string>
  readonly signers?: readonly Signer[]
  readonly subject?: Digest
}

function judge(bundle: object | string | Buffer, setting: Setting = {}): Promise<Claim | Rejection> {
  const {
    layerType = bundleType,
    annotations = {},
    signers = [signerOf(publicKey)],
    subject = digest,
  } = setting
  const artifactType = 'artifactType' in setting ? setting.artifactType : bundleType
  const bytes = Buffer.isBuffer(bundle)
    ? bundle
    : Buffer.from(typeof bundle === 'string' ? bundle : JSON.stringify(bundle))
  const layer = { mediaType: layerType, digest: digestOf(bytes), size: bytes.length }
  const attachment: Attachment = {
    digest: digestOf('manifest'),
    via: 'referrer',
    artifactType,
    annotations,
    layers: [layer],
  }
  const question = { subject: { digest: subject, mediaType: '', size: 1 }, signers, now: 0 }
  return sigstoreBundle.verify({ attachment, layer, bytes }, question)
}

test('a signature of a trusted key over this digest is verified, with all that is known of it', async () => {
  const bytes = JSON.stringify(bundleOf())
  assert.deepEqual(await judge(bytes), {
    status: 'verified',
    claim: 'signature',
    reference: 'registry.example/app:1.0',
    format: 'sigstore-bundle',
    manifest: digestOf('manifest'),
    layer: digestOf(bytes),
    signer: 'release',
    keyAlgorithm: 'ecdsa-p256',
    isLogged: false,
    isTimestamped: false,
  })
})

test('a signature without a predicate, as early cosign 3 wrote it, is one too', async () => {
  const { predicate: _, ...rest } = statement
  assert.equal((await judge(bundleOf(rest))).status, 'verified')
})

test('a subject by SHA-512 counts for an image that goes by it, and only for that', async () => {
  const long = digestOf('an image', 'sha512')
  const bundle = bundleOf({ ...statement, subject: [{ digest: { sha512: hexOf(long) } }] })
  assert.equal((await judge(bundle, { subject: long })).status, 'verified')
  assert.equal((await judge(bundle)).status, 'malformed')
})

test('a name is the reference only if it can be that of an image at a registry, and one alone is meant', async () => {
  const about = (...names: readonly (string | undefined)[]): object => ({
    ...statement,
    subject: names.map((name) => ({
      ...(name === undefined ? {} : { name }),
      digest: { sha256: hexOf(digest) },
    })),
  })
  const referenceOf = async (content: object): Promise<string | undefined> =>
    (await judge(bundleOf(content))).reference
  for (const name of [
    'localhost/app',
    'localhost:5000/a/b:1',
    '127.0.0.1:5007/cos3/key',
    'reg:5000/app',
    'ghcr.io/o/app',
  ]) {
    assert.equal(await referenceOf(about(name)), name)
  }
  for (const name of [
    undefined,
    '',
    'app',
    'library/app',
    'a.txt',
    'pkg:docker/app',
    'https://a.example/b',
    'a.example/B',
    'a.example/b@sha256:0',
  ]) {
    assert.equal(await referenceOf(about(name)), undefined, name)
  }
  assert.equal(await referenceOf(about('a.example/b', 'a.example/c')), undefined)
  const other = { name: 'a.example/other', digest: { sha256: '0'.repeat(64) } }
  assert.equal(
    await referenceOf({ ...statement, subject: [...statement.subject, other] }),
    'registry.example/app:1.0',
  )
})

test('an attestation that says FAILED is a claim of its type, whatever the annotations call it', async () => {
  const predicateType = 'https://in-toto.io/attestation/test-result/v0.1'
  const failed = { ...statement, predicateType, predicate: { result: 'FAILED' } }
  const annotations = { 'dev.sigstore.bundle.predicateType': statement.predicateType }
  const outcome = await judge(bundleOf(failed), { annotations })
  assert.ok(outcome.status === 'verified')
  assert.equal(outcome.claim, predicateType)
  assert.deepEqual(outcome.predicate, { result: 'FAILED' })
})

const zeros = Buffer.from('3006020100020100', 'hex').toString('base64')
const good = envelopeOf(statement) as { payload: string; payloadType: string; signatures: { sig: string }[] }
const otherDigest = { ...statement, subject: [{ digest: { sha256: '0'.repeat(64) } }] }
const certificate = { rawBytes: 'AAAA' }
const key = { hint: '' }
const material = (verificationMaterial: object): object => bundleOf(statement, { verificationMaterial })
const dsse = (change: object): object => bundleOf(statement, { dsseEnvelope: { ...good, ...change } })
const logEntry = {
  logId: { keyId: 'AAAA' },
  kindVersion: { kind: 'dsse', version: '0.0.1' },
  canonicalizedBody: 'AAAA',
}

const attacks: readonly [
  name: string,
  expected: Rejection['status'],
  why: RegExp,
  bundle: object | string,
  setting?: Setting,
][] = [
  [
    'a key that is not trusted',
    'untrusted',
    /no trusted key/,
    bundleOf(),
    { signers: [signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey)] },
  ],
  ['no signer at all', 'untrusted', /no trusted key/, bundleOf(), { signers: [] }],
  [
    'a key of another algorithm',
    'untrusted',
    /no trusted key/,
    bundleOf(),
    { signers: [signerOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey)] },
  ],
  ['a statement about another image', 'malformed', /something else/, bundleOf(otherDigest)],
  [
    'a subject with SHA-1 alone',
    'malformed',
    /something else/,
    bundleOf({ ...statement, subject: [{ digest: { sha1: '0'.repeat(40) } }] }),
  ],
  [
    'a digest in capitals',
    'malformed',
    /something else/,
    bundleOf({ ...statement, subject: [{ digest: { sha256: hexOf(digest).toUpperCase() } }] }),
  ],
  [
    'a digest under the wrong name',
    'malformed',
    /something else/,
    bundleOf({ ...statement, subject: [{ digest: { sha512: hexOf(digest) } }] }),
  ],
  [
    'another statement type',
    'malformed',
    /no in-toto/,
    bundleOf({ ...statement, _type: 'https://in-toto.io/Statement/v2' }),
  ],
  [
    'a signature with a predicate',
    'malformed',
    /no predicate/,
    bundleOf({ ...statement, predicate: { valid: false } }),
  ],
  [
    'a signature with a list as predicate',
    'malformed',
    /no predicate/,
    bundleOf({ ...statement, predicate: [] }),
  ],
  [
    'a predicate type twice',
    'malformed',
    /twice/,
    bundleOf(`{"predicateType":"x",${JSON.stringify(statement).slice(1)}`),
  ],
  [
    'another payload type',
    'malformed',
    /payload's type/,
    bundleOf(statement, { dsseEnvelope: envelopeOf(statement, 'application/json') }),
  ],
  [
    'a payload type that was changed after signing',
    'malformed',
    /payload's type/,
    dsse({ payloadType: `${inToto} ` }),
  ],
  [
    'a payload that was changed after signing',
    'untrusted',
    /no trusted key/,
    dsse({ payload: Buffer.from(JSON.stringify({ ...statement, more: 1 })).toString('base64') }),
  ],
  ['no signature', 'malformed', /0 signatures/, dsse({ signatures: [] })],
  [
    'two signatures',
    'malformed',
    /2 signatures/,
    dsse({ signatures: [...good.signatures, ...good.signatures] }),
  ],
  ['an empty signature', 'malformed', /empty/, dsse({ signatures: [{ sig: '' }] })],
  ['r = s = 0', 'untrusted', /no trusted key/, dsse({ signatures: [{ sig: zeros }] })],
  [
    'a signature with a line break',
    'malformed',
    /base64/,
    dsse({ signatures: [{ sig: `${good.signatures[0]?.sig}\n` }] }),
  ],
  ['a huge signature', 'malformed', /too long/, dsse({ signatures: [{ sig: 'A'.repeat(100_000) }] })],
  ['certificate and key together', 'malformed', /exactly one/, material({ publicKey: key, certificate })],
  [
    'certificate and chain together',
    'malformed',
    /exactly one/,
    material({ certificate, x509CertificateChain: { certificates: [certificate] } }),
  ],
  ['neither key nor certificate', 'malformed', /exactly one/, material({})],
  [
    'a chain in version 0.3',
    'malformed',
    /no certificate chain/,
    material({ x509CertificateChain: { certificates: [certificate] } }),
  ],
  [
    'a certificate that is none',
    'malformed',
    /certificate cannot be used/,
    material({ certificate }),
    { signers: [] },
  ],
  [
    'a log entry without proof',
    'malformed',
    /no inclusionProof/,
    material({ publicKey: key, tlogEntries: [logEntry] }),
  ],
  [
    'a negative log index',
    'malformed',
    /logIndex/,
    material({ publicKey: key, tlogEntries: [{ ...logEntry, logIndex: '-1' }] }),
  ],
  [
    'a hundred log entries',
    'malformed',
    /tlogEntries/,
    material({ publicKey: key, tlogEntries: Array.from({ length: 100 }, () => logEntry) }),
  ],
  ['no material', 'malformed', /no bundle/, bundleOf(statement, { verificationMaterial: undefined })],
  [
    'an envelope and a message signature',
    'malformed',
    /envelope and a message/,
    bundleOf(statement, {
      messageSignature: { messageDigest: { algorithm: 'SHA2_256', digest: 'AAAA' }, signature: 'AAAA' },
    }),
  ],
  [
    'a message signature alone',
    'malformed',
    /file/,
    bundleOf(statement, {
      dsseEnvelope: undefined,
      messageSignature: { messageDigest: { algorithm: 'SHA2_256', digest: 'AAAA' }, signature: 'AAAA' },
    }),
  ],
  ['a member that is not known', 'malformed', /no bundle/, bundleOf(statement, { extra: 1 })],
  [
    'an unknown version',
    'malformed',
    /not known/,
    bundleOf(statement, { mediaType: 'application/vnd.dev.sigstore.bundle.v0.9+json' }),
  ],
  [
    'a media type from the prototype',
    'malformed',
    /not known/,
    bundleOf(statement, { mediaType: 'constructor' }),
  ],
  ['a media type twice', 'malformed', /twice/, `{"mediaType":"x",${JSON.stringify(bundleOf()).slice(1)}`],
  ['a truncated bundle', 'malformed', /not JSON/, JSON.stringify(bundleOf()).slice(0, -9)],
  ['deep nesting', 'malformed', /nested/, `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
  ['a list', 'malformed', /no bundle/, '[]'],
  ['nothing', 'malformed', /not JSON/, ''],
  [
    'a manifest of another artifact type',
    'malformed',
    /artifact type/,
    bundleOf(),
    { artifactType: 'application/vnd.oci.image.config.v1+json' },
  ],
  ['a manifest without a type', 'malformed', /artifact type/, bundleOf(), { artifactType: undefined }],
  [
    'a layer of another version',
    'malformed',
    /version/,
    bundleOf(),
    { layerType: 'application/vnd.dev.sigstore.bundle+json;version=0.2' },
  ],
]
for (const [name, status, why, bundle, setting] of attacks) {
  test(`a bundle with ${name} is ${status}`, async () => {
    const outcome = await judge(bundle, setting)
    assert.equal(outcome.status, status, JSON.stringify(outcome))
    assert.match(outcome.why, why)
  })
}

test('the hint of a bundle is no evidence: neither a right one helps nor a wrong one harms', async () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  const hintOf = (from: KeyObject): string =>
    createHash('sha256')
      .update(from.export({ type: 'spki', format: 'der' }))
      .digest('base64')
  const hinted = (hint: string): object => material({ publicKey: { hint } })
  assert.equal((await judge(hinted(hintOf(other)))).status, 'verified')
  assert.equal((await judge(hinted(hintOf(other)), { signers: [signerOf(other)] })).status, 'untrusted')
  const second = { ...signerOf(other), name: 'other' }
  const outcome = await judge(hinted(hintOf(other)), { signers: [second, signerOf(publicKey)] })
  assert.equal(outcome.status === 'verified' && outcome.signer, 'release')
})

test('a rejection tells what the statement would have claimed', async () => {
  const untrusted = await judge(bundleOf({ ...statement, predicateType: 'https://slsa.dev/provenance/v1' }), {
    signers: [],
  })
  assert.equal(untrusted.claim, 'https://slsa.dev/provenance/v1')
  assert.equal(untrusted.reference, 'registry.example/app:1.0')
  assert.equal((await judge(bundleOf(otherDigest))).claim, 'signature')
})

test('bundles are layers of a bundle type, whatever else the manifest holds', () => {
  const types = [
    bundleType,
    'application/vnd.dev.sigstore.bundle+json;version=0.1',
    'text/plain',
    'constructor',
    '',
  ]
  const layers = types.map((mediaType) => ({ mediaType, digest, size: 1 }))
  const attachment: Attachment = {
    digest,
    via: 'referrer',
    artifactType: bundleType,
    annotations: {},
    layers,
  }
  assert.deepEqual(
    sigstoreBundle.envelopesOf(attachment).map(({ mediaType }) => mediaType),
    types.slice(0, 2),
  )
})

test('a file is verified by a statement about its digest alone, by a plain signature only with its bytes', async () => {
  const file = Buffer.from('an image')
  const signers = [signerOf(publicKey)]
  const verify = (bundle: object, bytes?: Buffer, wanted = digest): Promise<Claim | Rejection> =>
    verifyBlobBundle(
      Buffer.from(JSON.stringify(bundle)),
      { digest: wanted, ...(bytes ? { bytes } : {}) },
      signers,
      0,
    )
  const signature = sign('sha256', file, privateKey).toString('base64')
  const messageDigest = { algorithm: 'SHA2_256', digest: createHash('sha256').update(file).digest('base64') }
  const plain = bundleOf(statement, {
    dsseEnvelope: undefined,
    messageSignature: { messageDigest, signature },
  })
  assert.equal((await verify(bundleOf())).status, 'verified')
  assert.equal((await verify(plain, file)).status, 'verified')
  assert.match(((await verify(plain)) as Rejection).why, /bytes are needed/)
  assert.match(((await verify(plain, Buffer.from('other'))) as Rejection).why, /another digest/)
  assert.match(
    ((await verify(plain, Buffer.from('other'), digestOf('other'))) as Rejection).why,
    /another file/,
  )
  assert.equal((await verify(bundleOf(otherDigest), file)).status, 'malformed')
})

test('whatever a bundle holds, judging it ends with an answer that is no', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.json()), async (content) => {
      const bytes = Buffer.from(content as string)
      assert.notEqual((await judge(bytes)).status, 'verified')
    }),
    { numRuns: 300 },
  )
})

test('whatever stands in the place of a member, the bundle is no longer verified', async () => {
  const paths = ['mediaType', 'verificationMaterial', 'dsseEnvelope'] as const
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), fc.jsonValue(), async (path, value) => {
      assert.notEqual((await judge(bundleOf(statement, { [path]: value }))).status, 'verified')
    }),
    { numRuns: 300 },
  )
})
