import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { digestOf } from '../../src/kernel/digest.ts'
import { mediaTypes } from '../../src/kernel/media-types.ts'
import { buildImage, type BuiltImage } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { startRegistry, type RegistryClient } from '../fixtures/registry-client.ts'

let registry: RegistryClient
let image: BuiltImage
let signer: { username: string; password: string }
const repository = 'dev/app'

before(async () => {
  registry = await startRegistry({ PRATIQUE_PULL_WAIT_MS: '100' })
  const { product } = registry
  image = await buildImage({ layers: [{ 'app.txt': 'one' }] })
  await pushImage({ url: product.url, authorization: product.basic() }, repository, '1', image)
  const made = await product.api('POST', '/api/v1/robots', {
    name: 'signer',
    actions: ['pull', 'sign'],
    repositories: 'dev/**',
  })
  const { loginName, secret } = made.body as { loginName: string; secret: string }
  signer = { username: loginName, password: secret }
})
after(() => registry.product.stop())

/** A registry token as a client gets it that wants to push. */
async function token(): Promise<string> {
  const answer = await fetch(
    `${registry.product.url}/token?service=pratique&scope=repository:${repository}:pull,push`,
    { headers: { authorization: registry.product.basic(signer.username, signer.password) } },
  )
  return `Bearer ${((await answer.json()) as { token: string }).token}`
}

async function put(
  reference: string,
  document: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return registry.call('PUT', `/v2/${repository}/manifests/${reference}`, {
    body: JSON.stringify(document),
    headers: { 'content-type': mediaTypes.ociManifest, ...headers },
    authorization: await token(),
  })
}

async function attachment(note: string): Promise<Record<string, unknown>> {
  const subject = { mediaType: image.mediaType, digest: image.digest, size: image.manifest.length }
  return registry.artifact(repository, { subject, annotations: { note } })
}

async function codeOf(answer: Response): Promise<string | undefined> {
  return ((await answer.json()) as { errors: { code: string }[] }).errors[0]?.code
}

test('the right to sign lets blobs and what refers to an image in', async () => {
  const blob = await registry.call('POST', `/v2/${repository}/blobs/uploads/?digest=${digestOf('x')}`, {
    body: 'x',
    authorization: await token(),
  })
  assert.equal(blob.status, 201)
  const document = await attachment('by the signer')
  assert.equal((await put(digestOf(JSON.stringify(document)), document)).status, 201)
})

test("and what stands under cosign's tags", async () => {
  const document = await registry.artifact(repository)
  assert.equal((await put(`${image.digest.replace(':', '-')}.sig`, document)).status, 201)
})

test('and nothing else: no image, no artifact of its own, no tag of people, also on what refers', async () => {
  const config = await registry.pushBlob(repository, '{"architecture":"amd64","os":"linux"}')
  const layer = [...image.blobs.keys()].find((digest) => digest !== config) as string
  const runnable = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, digest: config, size: 37 },
    layers: [
      { mediaType: mediaTypes.ociLayerGzip, digest: layer, size: image.blobs.get(layer as never)?.length },
    ],
    subject: { mediaType: image.mediaType, digest: image.digest, size: image.manifest.length },
  }
  for (const [reference, document] of [
    ['2', await registry.artifact(repository)],
    ['2', await attachment('under a tag')],
    [`${image.digest.replace(':', '-')}.sig`, runnable],
    [digestOf(JSON.stringify(runnable)), runnable],
    [`${image.digest.replace(':', '-')}.evil`, await registry.artifact(repository)],
  ] as const) {
    const answer = await put(reference, document)
    assert.equal(answer.status, 403, `${reference} was let in`)
    assert.equal(await codeOf(answer), 'DENIED')
  }
})

test('a signer reads the manifest of an image that is not cleared, and none of its layers', async () => {
  await registry.product.api('POST', '/api/v1/quarantine', { image: `${repository}:1`, reason: 'test' })
  const authorization = await token()
  const manifest = await registry.call('GET', `/v2/${repository}/manifests/1`, { authorization })
  assert.equal(manifest.status, 200)
  for (const digest of image.blobs.keys()) {
    const blob = await registry.call('GET', `/v2/${repository}/blobs/${digest}`, { authorization })
    assert.equal(blob.status, 403)
  }
})

test('of two who add to one tag at once, the second is told, and loses nothing', async () => {
  const tag = `sha256-${'a'.repeat(64)}.sig`
  const first = await registry.artifact(repository, { annotations: { a: '1' } })
  const second = await registry.artifact(repository, { annotations: { a: '2' } })
  assert.equal((await put(tag, first, { 'if-none-match': '*' })).status, 201)
  const late = await put(tag, second, { 'if-none-match': '*' })
  assert.equal(late.status, 412)
  assert.equal(await codeOf(late), 'TAG_CHANGED')
  const known = `"${digestOf(JSON.stringify(first))}"`
  assert.equal((await put(tag, second, { 'if-match': known })).status, 201)
  assert.equal((await put(tag, first, { 'if-match': known })).status, 412)
})
