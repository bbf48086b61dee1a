import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { afterEach, beforeEach, test } from 'node:test'
import { buildImage, buildIndex, type BuiltImage } from '../../../test/fixtures/build-image.ts'
import { PlainRegistry, type RegistryHabits } from '../../../test/fixtures/plain-registry.ts'
import type { Digest } from '../../kernel/digest.ts'
import { fallbackTagOf, RemoteFailure, RemoteRepository } from '../../registry/offline.ts'
import { SigningFailure } from '../failures.ts'
import { sourceOf } from '../remote-source.ts'
import type { Claim, Signer } from '../types.ts'
import { verifyImage } from '../verify-image.ts'
import { attestImage, signImage, type SignedSubject, type SignRequest } from './sign-image.ts'
import { keySignatory, type Signatory } from './signatory.ts'

const alice = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const bob = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signerOf = (name: string, key: KeyObject): Signer => {
  const publicKey = key.export({ type: 'spki', format: 'pem' }) as string
  return { name, state: 'active', identity: { kind: 'key', publicKey } }
}
const signers = [signerOf('alice', alice.publicKey), signerOf('bob', bob.publicKey)]
const image = await buildImage({ layers: [{ a: 'left' }] })
const other = await buildImage({ layers: [{ a: 'right' }] })
const minute = 60_000
const start = Date.parse('2026-06-01T00:00:00Z')

let registry: PlainRegistry
let repository: RemoteRepository

async function open(habits: RegistryHabits = {}): Promise<void> {
  await registry?.stop()
  registry = await new PlainRegistry(habits).start()
  repository = await RemoteRepository.open(registry.host, 'app', {
    credentials: { username: 'user', password: 'secret' },
  })
  registry.add(image, '1')
}
beforeEach(() => open())
afterEach(() => registry.stop())

function sign(wish: Partial<SignRequest> = {}): Promise<SignedSubject[]> {
  const signatory = keySignatory(alice.privateKey)
  const forms = ['bundle', 'legacy'] as const
  return signImage({ repository, reference: '1', signatory, forms, recursive: true, now: start, ...wish })
}

async function claimsOf({ digest, mediaType, manifest }: BuiltImage): Promise<readonly Claim[]> {
  const subject = { digest, mediaType, size: manifest.length }
  const source = sourceOf(async () => repository)
  const { claims, rejections, unavailable } = await verifyImage(source, subject, signers, start + minute)
  assert.deepEqual(rejections, [])
  assert.equal(unavailable, undefined)
  return claims
}
const layersUnder = (tag: string): number => {
  const { bytes } = registry.manifests.get(registry.tags.get(tag) ?? '') ?? { bytes: Buffer.from('{}') }
  return (JSON.parse(bytes.toString()) as { layers: unknown[] }).layers.length
}
const signatureTagOf = (digest: Digest): string => `${digest.replace(':', '-')}.sig`

test('an index is signed with each of its platforms, under the name of the index', async () => {
  registry.add(other)
  const index = buildIndex([image, other])
  registry.add(index, 'all')
  const signed = await sign({ reference: 'all' })
  assert.deepEqual(
    signed.map(({ subject, platform }) => [subject, platform]),
    [
      [index.digest, undefined],
      [image.digest, 'linux/amd64'],
      [other.digest, 'linux/arm64'],
    ],
  )
  for (const one of [index, image, other]) {
    const claims = await claimsOf(one)
    assert.deepEqual(claims.map(({ format }) => format).toSorted(), ['cosign-legacy', 'sigstore-bundle'])
    assert.ok(claims.every(({ reference }) => reference === `${registry.host}/app:all`))
  }
})

test('of an index only the index is signed when that is asked for', async () => {
  registry.add(other)
  registry.add(buildIndex([image, other]), 'all')
  assert.equal((await sign({ reference: 'all', recursive: false })).length, 1)
  assert.deepEqual(await claimsOf(image), [])
})

test('a digest is signed under the name of the repository, or under the tag that is given with it', async () => {
  await sign({ reference: image.digest, forms: ['legacy'] })
  await sign({ reference: image.digest, tag: '7', forms: ['legacy'] })
  assert.deepEqual(
    (await claimsOf(image)).map(({ reference }) => reference),
    [`${registry.host}/app`, `${registry.host}/app:7`],
  )
})

test('a tag that moves while it is signed does not change what is signed', async () => {
  registry.add(other)
  const moving: Signatory = keySignatory(alice.privateKey)
  const signatory = {
    ...moving,
    maker: {
      sign: (data: Buffer) => {
        registry.tags.set('1', other.digest)
        return moving.maker.sign(data)
      },
    },
  }
  await sign({ signatory })
  assert.equal((await claimsOf(image)).length, 2)
  assert.deepEqual(await claimsOf(other), [])
})

test('what is signed already under this name is not signed again, and anything else is', async () => {
  const first = await sign()
  assert.deepEqual(await sign({ now: start + minute }), first)
  assert.equal((await claimsOf(image)).length, 2)
  registry.tags.set('2', image.digest)
  await sign({ reference: '2' })
  await sign({ signatory: keySignatory(bob.privateKey) })
  const claims = await claimsOf(image)
  assert.equal(claims.length, 6)
  assert.equal(layersUnder(signatureTagOf(image.digest)), 3)
})

test('a signature of somebody else over the same payload does not stand for ours', async () => {
  await sign({ signatory: keySignatory(bob.privateKey) })
  await sign()
  assert.deepEqual(new Set((await claimsOf(image)).map(({ signer }) => signer)), new Set(['alice', 'bob']))
})

test('many who sign one image at once undo nothing of each other', async () => {
  const keys = Array.from({ length: 12 }, () => generateKeyPairSync('ec', { namedCurve: 'P-256' }))
  await Promise.all(
    keys.map(({ privateKey }) => sign({ signatory: keySignatory(privateKey), forms: ['legacy'] })),
  )
  assert.equal(layersUnder(signatureTagOf(image.digest)), keys.length)
})

test('where referrers are not listed the list is kept under the tag, once for each, and also by many at once', async () => {
  await open({ referrers: 404 })
  const keys = [
    alice,
    bob,
    ...Array.from({ length: 6 }, () => generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  ]
  await Promise.all(
    keys.map(({ privateKey }) => sign({ signatory: keySignatory(privateKey), forms: ['bundle'] })),
  )
  const digest = registry.tags.get(fallbackTagOf(image.digest)) ?? ''
  const index = JSON.parse(registry.manifests.get(digest)?.bytes.toString() ?? '') as {
    manifests: { digest: string; artifactType: string; size: number; annotations: object }[]
  }
  assert.equal(new Set(index.manifests.map((one) => one.digest)).size, keys.length)
  assert.equal(index.manifests.length, keys.length)
  for (const { artifactType, size, digest: name } of index.manifests) {
    assert.equal(artifactType, 'application/vnd.dev.sigstore.bundle.v0.3+json')
    assert.equal(size, registry.manifests.get(name)?.bytes.length)
  }
})

test('a registry that says every time that the tag moved is given up', async () => {
  registry.instead = (request, response, path) => {
    if (request.method !== 'PUT' || !path.endsWith('.sig')) return false
    request.resume()
    response.writeHead(412).end()
    return true
  }
  await assert.rejects(sign(), (error: unknown) => error instanceof RemoteFailure && error.status === 412)
})

test('what is under the tag and is no list of signatures stays as it is', async () => {
  registry.add(other, signatureTagOf(image.digest))
  registry.manifests.set(other.digest, { bytes: Buffer.from('{"manifests":[]}'), mediaType: 'a/b' })
  // Content of another digest than the tag's is met first; a tag has no digest to check, so this is what is read.
  await assert.rejects(
    sign({ forms: ['legacy'] }),
    (error: unknown) => error instanceof SigningFailure && error.code === 'SIGNATURES_UNREADABLE',
  )
  assert.equal(registry.tags.get(signatureTagOf(image.digest)), other.digest)
})

test('an attestation is written in both forms, and is no signature', async () => {
  const predicateType = 'https://in-toto.io/attestation/test-result/v0.1'
  const predicate = { result: 'PASSED' }
  const request = { repository, reference: '1', signatory: keySignatory(alice.privateKey), now: start }
  const forms = ['bundle', 'legacy'] as const
  await attestImage({ ...request, forms, recursive: false, predicateType, predicate })
  const claims = await claimsOf(image)
  assert.deepEqual(claims.map(({ format }) => format).toSorted(), ['cosign-legacy', 'sigstore-bundle'])
  for (const claim of claims) {
    assert.equal(claim.claim, predicateType)
    assert.deepEqual(claim.predicate, predicate)
  }
})

test('an attestation for the Notary Project alone is refused rather than left out', async () => {
  const request = { repository, reference: '1', signatory: keySignatory(alice.privateKey), now: start }
  await assert.rejects(
    attestImage({ ...request, forms: ['notation'], recursive: false, predicateType: 'a:b', predicate: {} }),
    (error: unknown) => error instanceof SigningFailure && /no attestations/.test(error.message),
  )
})

test('a Notary Project signature without a chain of certificates is refused', async () => {
  await assert.rejects(sign({ forms: ['notation'] }), /--certificate-chain/)
})

test('an image that is not there is refused with its name, and nothing is pushed', async () => {
  await assert.rejects(sign({ reference: 'gone' }), /app has no manifest gone/)
  assert.deepEqual(
    registry.asked.filter(({ line }) => !line.startsWith('GET')),
    [],
  )
})
