import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, test } from 'node:test'
import { buildImage } from '../../test/fixtures/build-image.ts'
import { PlainRegistry, type RegistryHabits } from '../../test/fixtures/plain-registry.ts'
import { digestOf } from '../kernel/digest.ts'
import { RemoteRepository } from '../registry/offline.ts'
import { remoteSource } from './remote-source.ts'
import { signImage } from './sign/sign-image.ts'
import { keySignatory } from './sign/signatory.ts'
import { EvidenceUnavailable, type EvidenceSource, type Signer, type Verification } from './types.ts'
import { verifyImage } from './verify-image.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signer: Signer = {
  name: 'alice',
  state: 'active',
  identity: { kind: 'key', publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string },
}
const image = await buildImage({ layers: [{ a: 'remote' }] })
const credentials = { username: 'user', password: 'secret' }
let registry: PlainRegistry

async function start(habits: RegistryHabits): Promise<void> {
  await registry?.stop()
  registry = await new PlainRegistry(habits).start()
  registry.add(image, '1')
}
beforeEach(() => start({}))
afterEach(() => registry.stop())

const source = (registryName = registry.host): EvidenceSource =>
  remoteSource({ registry: registryName, repository: 'app', credentials })

async function sign(): Promise<void> {
  const repository = await RemoteRepository.open(registry.host, 'app', { credentials })
  const forms = ['bundle', 'legacy'] as const
  const who = { signatory: keySignatory(privateKey), forms, recursive: true, now: Date.now() }
  await signImage({ repository, reference: '1', ...who })
}

function verify(from = source()): Promise<Verification> {
  const { digest, mediaType, manifest } = image
  return verifyImage(from, { digest, mediaType, size: manifest.length }, [signer], Date.now())
}

for (const [about, habits] of [
  ['lists referrers', {}],
  ['lists them on pages of one', { pageSize: 1 }],
  ['has no list of referrers', { referrers: 404 }],
  ['does not accept to be asked for one', { referrers: 406 }],
  ['asks for tokens', { tokens: true }],
  ['knows no preconditions', { preconditions: false }],
] as readonly (readonly [string, RegistryHabits])[]) {
  test(`both forms are found in a registry that ${about}`, async () => {
    await start(habits)
    assert.equal((await verify()).status, 'unsigned')
    await sign()
    const { status, claims, unavailable } = await verify()
    assert.equal(status, 'verified')
    assert.equal(unavailable, undefined)
    assert.deepEqual(claims.map(({ format }) => format).toSorted(), ['cosign-legacy', 'sigstore-bundle'])
    assert.deepEqual(new Set(claims.map(({ reference }) => reference)), new Set([`${registry.host}/app:1`]))
  })
}

test('a registry is named by its host or by its URL', async () => {
  await sign()
  assert.equal((await verify(source(`http://${registry.host}`))).status, 'verified')
})

for (const what of ['referrers/', 'manifests/', 'blobs/']) {
  test(`when ${what} cannot be read, nothing is said of the image, neither good nor bad`, async () => {
    await sign()
    registry.instead = (_request, response, path) => {
      if (!path.startsWith(what)) return false
      response.writeHead(503).end()
      return true
    }
    const { status, claims, unavailable } = await verify()
    assert.notEqual(unavailable, undefined)
    assert.equal(status, 'unavailable')
    assert.deepEqual(claims, [])
  })
}

test('every method throws that evidence is unavailable, and a blob that is gone is that too', async () => {
  const evidence = source()
  await assert.rejects(evidence.readBlob(digestOf('gone'), 10), EvidenceUnavailable)
  registry.instead = (_request, response) => {
    response.destroy()
    return true
  }
  for (const ask of [
    () => evidence.findTag('1'),
    () => evidence.findManifest(image.digest),
    () => evidence.listReferrers(image.digest, 10),
    () => evidence.readBlob(image.digest, 10),
  ]) {
    await assert.rejects(ask, EvidenceUnavailable)
  }
})
