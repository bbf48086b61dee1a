import assert from 'node:assert/strict'
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { MemorySource } from '../../test/fixtures/memory-source.ts'
import { digestOf, type Digest } from '../kernel/digest.ts'
import { bundleReferrer, legacySignature } from './sign/attachments.ts'
import { signaturePredicateType, simpleSigningPayload } from './sign/payloads.ts'
import { signStatement } from './sign-statement.ts'
import { signatureTag } from './collect-attachments.ts'
import type { EvidenceSource, Signer, Subject } from './types.ts'
import { VerificationCache } from './verification-cache.ts'
import { verifyImage } from './verify-image.ts'

const now = Date.parse('2026-06-01T00:00:00Z')
const alice = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const bob = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }) as string
const signers: Signer[] = [
  { name: 'alice', identity: { kind: 'key', publicKey: pem(alice.publicKey) }, state: 'active' },
  { name: 'bob', identity: { kind: 'key', publicKey: pem(bob.publicKey) }, state: 'active' },
]
const subject: Subject = {
  digest: digestOf('image'),
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  size: 5,
}

function legacy(source: MemorySource, key: KeyObject, digest: Digest = subject.digest): void {
  const payload = simpleSigningPayload(digest, 'registry.example/app:1', now)
  const signature = sign('sha256', payload, { key, dsaEncoding: 'der' })
  const tag = source.tags.get(signatureTag(subject.digest))
  const existing = tag && source.manifests.get(tag)
  source.attach(
    legacySignature(existing ? [existing] : [], payload, signature, subject.digest),
    subject.digest,
  )
}

function bundle(
  source: MemorySource,
  { privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject },
  predicateType: string = signaturePredicateType,
  predicate: unknown = {},
): void {
  const bytes = signStatement(
    { privateKey, publicKeyPem: pem(publicKey) },
    { subject: { name: 'registry.example/app:1', digest: subject.digest }, predicateType, predicate },
  )
  source.attach(bundleReferrer(bytes, predicateType, subject, now), subject.digest)
}

const verify = (source: EvidenceSource) => verifyImage(source, subject, signers, now)

test('nothing attached is unsigned', async () => {
  assert.equal((await verify(new MemorySource())).status, 'unsigned')
})

test('both forms of one signer are two claims of one signer', async () => {
  const source = new MemorySource()
  legacy(source, alice.privateKey)
  bundle(source, alice)
  const { status, claims } = await verify(source)
  assert.equal(status, 'verified')
  assert.deepEqual(new Set(claims.map(({ signer }) => signer)), new Set(['alice']))
  assert.deepEqual(new Set(claims.map(({ format }) => format)), new Set(['cosign-legacy', 'sigstore-bundle']))
})

test('a second signature under the tag keeps the first, and the same one again changes nothing', async () => {
  const source = new MemorySource()
  legacy(source, alice.privateKey)
  legacy(source, bob.privateKey)
  assert.deepEqual((await verify(source)).claims.map(({ signer }) => signer).toSorted(), ['alice', 'bob'])
})

test('attack: junk referrers hide nothing and crowd nothing out', async () => {
  const source = new MemorySource()
  legacy(source, alice.privateKey)
  const junk = Array.from({ length: 5_000 }, (_, index) => digestOf(`junk ${index}`))
  for (const digest of junk) source.manifests.set(digest, Buffer.from('{"not": "a manifest"'))
  source.referrers.set(subject.digest, junk)
  const { status, claims, unavailable } = await verify(source)
  assert.equal(status, 'verified')
  assert.equal(claims.length, 1)
  assert.match(unavailable ?? '', /more than 1000 manifests/)
})

test('attack: thousands of signatures cost bounded work, and what is not looked at is said', async () => {
  const source = new MemorySource()
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  for (let index = 0; index < 900; index++) bundle(source, stranger, signaturePredicateType, { index })
  const { status, unavailable } = await verify(source)
  assert.equal(source.reads, 512)
  assert.equal(status, 'unavailable')
  assert.match(unavailable ?? '', /more is attached than is looked at/)
})

test('attack: a layer that says it is huge, or is larger than it says, is not read', async () => {
  const source = new MemorySource()
  const big = Buffer.alloc(20 * 1024 * 1024, 32)
  source.attach(bundleReferrer(big, signaturePredicateType, subject, now), subject.digest)
  const lying = bundleReferrer(Buffer.from('{}'), signaturePredicateType, subject, now)
  const text = lying.manifest.toString().replace(digestOf('{}'), digestOf(big))
  const manifest = Buffer.from(text)
  source.attach({ ...lying, manifest, digest: digestOf(manifest) }, subject.digest)
  const { status, rejections } = await verify(source)
  assert.ok(rejections.some(({ why }) => /more than/.test(why)))
  assert.notEqual(status, 'verified')
  assert.ok(source.bytes < 1024 * 1024, `${source.bytes} bytes were read`)
})

test('a tag that leads to something else than signatures is malformed, not unsigned', async () => {
  const source = new MemorySource()
  source.tags.set(signatureTag(subject.digest), digestOf('junk'))
  source.manifests.set(digestOf('junk'), Buffer.from('{"schemaVersion":2,"manifests":[]}'))
  assert.equal((await verify(source)).status, 'malformed')
})

test('an attestation is no signature, whoever made it and whatever the manifest claims', async () => {
  const source = new MemorySource()
  bundle(source, alice, 'https://in-toto.io/attestation/test-result/v0.1', { result: 'FAILED' })
  const { status, claims } = await verify(source)
  assert.equal(status, 'unsigned')
  assert.deepEqual(
    claims.map(({ claim }) => claim),
    ['https://in-toto.io/attestation/test-result/v0.1'],
  )
})

for (const method of ['findTag', 'findManifest', 'listReferrers', 'readBlob'] as const) {
  test(`evidence that cannot be read is unavailable, never unsigned: ${method}`, async () => {
    const source = new MemorySource()
    legacy(source, alice.privateKey)
    source.broken.add(method)
    const { status, claims, unavailable } = await verify(source)
    assert.equal(status, 'unavailable')
    assert.deepEqual(claims, [])
    assert.match(unavailable ?? '', /does not answer/)
  })
}

const trustOf = (revision: string, list: readonly Signer[] = signers) => ({
  signers: list,
  vexSigners: [],
  revision,
})

test('a verification is remembered until a signature, a signer or the place is another', async () => {
  const cache = new VerificationCache()
  const source = new MemorySource()
  legacy(source, alice.privateKey)
  const ask = (place = 'one', revision = 'a') => cache.verify(source, place, subject, trustOf(revision), now)
  await ask()
  await ask()
  assert.equal(source.reads, 1)
  await ask('two')
  assert.equal(source.reads, 2)
  await ask('one', 'b')
  assert.equal(source.reads, 3)
  legacy(source, bob.privateKey)
  assert.equal((await ask()).claims.length, 2)
})

test('what could not be read is not remembered', async () => {
  const cache = new VerificationCache()
  const source = new MemorySource()
  legacy(source, alice.privateKey)
  source.broken.add('readBlob')
  const ask = () => cache.verify(source, 'one', subject, trustOf('a'), now)
  assert.equal((await ask()).status, 'unavailable')
  source.broken.clear()
  assert.equal((await ask()).status, 'verified')
})

test('a remembered answer ends when a signer ends, and one with a rejection after a minute', async () => {
  const cache = new VerificationCache()
  const source = new MemorySource()
  legacy(source, alice.privateKey)
  const ending = trustOf(
    'a',
    signers.map((signer) => ({ ...signer, expiresAt: now + 10_000 })),
  )
  assert.equal((await cache.verify(source, 'one', subject, ending, now)).status, 'verified')
  assert.equal((await cache.verify(source, 'one', subject, ending, now + 10_000)).status, 'untrusted')
  const strangers = trustOf('b', [])
  const before = source.reads
  await cache.verify(source, 'one', subject, strangers, now)
  await cache.verify(source, 'one', subject, strangers, now + 59_000)
  assert.equal(source.reads, before + 1)
  await cache.verify(source, 'one', subject, strangers, now + 60_000)
  assert.equal(source.reads, before + 2)
})
