import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { MemorySource } from '../../../test/fixtures/memory-source.ts'
import { digestOf } from '../../kernel/digest.ts'
import { SigningFailure } from '../failures.ts'
import type { Signer, Subject } from '../types.ts'
import { verifyImage } from '../verify-image.ts'
import { bundleReferrer, legacyAttestation, legacySignature, notationReferrer } from './attachments.ts'
import { signaturePredicateType, simpleSigningPayload } from './payloads.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signer: Signer = {
  name: 'alice',
  state: 'active',
  identity: { kind: 'key', publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string },
}
const mediaType = 'application/vnd.oci.image.manifest.v1+json'
const subject: Subject = { digest: digestOf('image'), mediaType, size: 5 }
const hex = subject.digest.slice('sha256:'.length)
const now = Date.parse('2026-06-01T00:00:00Z')

interface Document {
  readonly artifactType?: string
  readonly config: { readonly mediaType: string; readonly digest: string }
  readonly layers: readonly {
    readonly mediaType: string
    readonly digest: string
    readonly size: number
    readonly annotations?: Readonly<Record<string, string>>
  }[]
  readonly subject?: object
  readonly annotations?: Readonly<Record<string, string>>
}
const read = (manifest: Buffer): Document => JSON.parse(manifest.toString()) as Document

test('a bundle hangs on its image as cosign 3 attaches it', () => {
  const bundle = Buffer.from('{"a": "bundle"}')
  const built = bundleReferrer(bundle, signaturePredicateType, subject, now)
  const document = read(built.manifest)
  const type = 'application/vnd.dev.sigstore.bundle.v0.3+json'
  assert.equal(document.artifactType, type)
  assert.equal(document.config.mediaType, 'application/vnd.oci.empty.v1+json')
  assert.deepEqual(document.layers, [{ mediaType: type, digest: digestOf(bundle), size: bundle.length }])
  assert.deepEqual(document.subject, subject)
  assert.deepEqual(document.annotations, {
    'dev.sigstore.bundle.content': 'dsse-envelope',
    'dev.sigstore.bundle.predicateType': 'https://sigstore.dev/cosign/sign/v1',
    'org.opencontainers.image.created': '2026-06-01T00:00:00.000Z',
  })
  assert.equal(built.tag, undefined)
  assert.equal(built.digest, digestOf(built.manifest))
})

test('a Notary Project signature names the certificates of its chain', () => {
  const built = notationReferrer(Buffer.from('{}'), ['ab', 'cd'], subject, now)
  const { annotations, layers } = read(built.manifest)
  assert.equal(annotations?.['io.cncf.notary.x509chain.thumbprint#S256'], '["ab","cd"]')
  assert.equal(layers[0]?.mediaType, 'application/jose+json')
})

test('a payload names image, repository and tag, and what it is', () => {
  const payload = simpleSigningPayload(subject.digest, 'registry.example/app:1', now)
  assert.deepEqual(JSON.parse(payload.toString()), {
    critical: {
      identity: { 'docker-reference': 'registry.example/app:1' },
      image: { 'docker-manifest-digest': subject.digest },
      type: 'cosign container image signature',
    },
    optional: { creator: 'pratique', timestamp: now / 1000 },
  })
})

test('a signature is added to those that are there, each as it was, under the tag of the image', () => {
  const [first, second] = [Buffer.from('first'), Buffer.from('second')]
  const one = legacySignature([], first, Buffer.from('s1'), subject.digest, { more: 'text' })
  const two = legacySignature([one.manifest], second, Buffer.from('s2'), subject.digest)
  assert.equal(two.tag, `sha256-${hex}.sig`)
  const { layers, config } = read(two.manifest)
  assert.deepEqual(layers[0], read(one.manifest).layers[0])
  assert.deepEqual(
    layers.map(({ annotations }) => annotations),
    [
      { 'dev.cosignproject.cosign/signature': 'czE=', more: 'text' },
      { 'dev.cosignproject.cosign/signature': 'czI=' },
    ],
  )
  const written = two.blobs.find((blob) => digestOf(blob) === config.digest)
  const { rootfs } = JSON.parse(written?.toString() ?? '') as { rootfs: { diff_ids: string[] } }
  assert.deepEqual(rootfs.diff_ids, [digestOf(first), digestOf(second)])
  assert.deepEqual(
    legacySignature([two.manifest], second, Buffer.from('s2'), subject.digest).digest,
    two.digest,
  )
})

test('an attestation goes under a tag of its own, with its type beside it', () => {
  const { tag, manifest } = legacyAttestation([], Buffer.from('{}'), 'https://a.example/t', subject.digest)
  assert.equal(tag, `sha256-${hex}.att`)
  assert.deepEqual(read(manifest).layers[0]?.annotations, {
    'dev.cosignproject.cosign/signature': '',
    predicateType: 'https://a.example/t',
  })
})

test('no more is added under a tag than is read from it again', async () => {
  const source = new MemorySource()
  let manifest: Buffer | undefined
  const add = (index: number): void => {
    const payload = simpleSigningPayload(subject.digest, `registry.example/app:${index}`, now)
    const signature = sign('sha256', payload, privateKey)
    const built = legacySignature(manifest ? [manifest] : [], payload, signature, subject.digest)
    source.attach(built, subject.digest)
    manifest = built.manifest
  }
  const full = (error: unknown): boolean =>
    error instanceof SigningFailure && error.code === 'SIGNATURES_FULL'
  assert.throws(() => {
    for (let index = 0; index <= 1_000; index++) add(index)
  }, full)
  const { status, claims } = await verifyImage(source, subject, [signer], now)
  assert.equal(status, 'verified')
  assert.equal(claims.length, read(manifest ?? Buffer.of()).layers.length)
})

test('what stands under the tag and is no list of signatures is not written over', () => {
  const unreadable = (error: unknown): boolean => {
    assert.ok(error instanceof SigningFailure, String(error))
    return error.code === 'SIGNATURES_UNREADABLE' || error.code === 'SIGNATURES_FULL'
  }
  const add = (existing: Buffer): unknown =>
    legacySignature([existing], Buffer.from('p'), Buffer.from('s'), subject.digest)
  for (const existing of [
    '',
    '{',
    '[]',
    '{"layers": 1}',
    '{"manifests": []}',
    '{"layers": [], "layers": []}',
  ]) {
    assert.throws(() => add(Buffer.from(existing)), unreadable, existing)
  }
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.record({ layers: fc.array(fc.jsonValue()) }).map((one) => JSON.stringify(one)),
      ),
      (text) => {
        try {
          add(Buffer.from(text))
        } catch (error) {
          unreadable(error)
        }
      },
    ),
    { numRuns: 300 },
  )
})
