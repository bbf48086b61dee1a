import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { digestOf } from '../../src/kernel/digest.ts'
import { buildImage } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { startRegistry, type RegistryClient } from '../fixtures/registry-client.ts'

let registry: RegistryClient
before(
  async () => (registry = await startRegistry({ PRATIQUE_GC_GRACE_MS: '1', PRATIQUE_BLOB_LEASE_MS: '1' })),
)
after(() => registry.product.stop())

async function rule(kind: string, repositories: string, settings: object): Promise<string> {
  const { status, body } = await registry.product.api('POST', '/api/v1/repository-rules', {
    kind,
    repositories,
    settings,
  })
  assert.equal(status, 201)
  return (body as { id: string }).id
}

async function push(repository: string, tag: string, note: string): Promise<string> {
  const text = JSON.stringify(await registry.artifact(repository, { annotations: { note } }))
  const { status } = await registry.pushManifest(repository, tag, text)
  assert.equal(status, 201)
  return digestOf(text)
}

async function has(repository: string, reference: string): Promise<boolean> {
  return (await registry.call('HEAD', `/v2/${repository}/manifests/${reference}`)).status === 200
}

test('pitfall 7: an immutable tag is not moved, nor deleted by tag or by digest', async () => {
  const id = await rule('immutable-tags', 'fixed/**', { tags: 'v*' })
  const digest = await push('fixed/app', 'v1', 'first')
  const other = JSON.stringify(await registry.artifact('fixed/app', { annotations: { note: 'second' } }))
  assert.equal((await registry.pushManifest('fixed/app', 'v1', other)).status, 409)
  assert.equal((await registry.pushManifest('fixed/app', `${digestOf(other)}?tag=v1`, other)).status, 409)
  assert.equal((await registry.call('DELETE', '/v2/fixed/app/manifests/v1')).status, 409)
  assert.equal((await registry.call('DELETE', `/v2/fixed/app/manifests/${digest}`)).status, 409)
  assert.ok(await has('fixed/app', 'v1'))
  await push('fixed/app', 'v1', 'first')
  await push('fixed/app', 'latest', 'a')
  await push('fixed/app', 'latest', 'b')
  await registry.product.api('DELETE', `/api/v1/repository-rules/${id}`)
  assert.equal((await registry.call('DELETE', '/v2/fixed/app/manifests/v1')).status, 202)
})

test('pitfall 18: a promotion does not move an immutable tag at its target', async () => {
  await registry.product.api('PUT', '/api/v1/policy', {
    document:
      'stages:\n  - { name: dev, prefix: dev, rules: {} }\n  - { name: prod, prefix: prod, rules: {} }\n',
  })
  await rule('immutable-tags', 'prod/**', {})
  const target = { url: registry.product.url, authorization: registry.product.basic() }
  await pushImage(target, 'dev/app', '1', await buildImage({ layers: [{ a: 'one' }] }))
  const first = await registry.product.api('POST', '/api/v1/promotions', { image: 'dev/app:1', to: 'prod' })
  assert.equal(first.status, 201, JSON.stringify(first.body))
  const again = await registry.product.api('POST', '/api/v1/promotions', { image: 'dev/app:1', to: 'prod' })
  assert.equal(again.status, 201, 'the same promotion again changes nothing')
  await pushImage(target, 'dev/app', '1', await buildImage({ layers: [{ a: 'two' }] }))
  const moved = await registry.product.api('POST', '/api/v1/promotions', { image: 'dev/app:1', to: 'prod' })
  assert.equal(moved.status, 409)
  assert.equal((moved.body as { code: string }).code, 'TAG_IMMUTABLE')
  const { body } = await registry.product.api('GET', '/api/v1/images?repository=prod/**')
  assert.equal((body as { items: unknown[] }).items.length, 1, 'nothing of the refused one is there')
})

test('pitfall 18: promotion goes forwards only, and to stages that there are', async () => {
  for (const [image, to] of [
    ['prod/app:1', 'dev'],
    ['dev/app:1', 'dev'],
    ['dev/app:1', 'nowhere'],
    ['fixed/app:latest', 'prod'],
  ] as const) {
    const { status, body } = await registry.product.api('POST', '/api/v1/promotions', { image, to })
    assert.equal(status, 400)
    assert.equal((body as { code: string }).code, 'STAGE_UNKNOWN')
  }
})

test('retention keeps the last, what an index lists, and what refers to what is kept', async () => {
  await rule('retention', 'kept/**', { keepLast: 2 })
  const oldest = await push('kept/app', 'a', 'oldest')
  await push('kept/app', 'b', 'middle')
  const newest = await push('kept/app', 'c', 'newest')
  const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: newest, size: 1 }
  const referrer = JSON.stringify(await registry.artifact('kept/app', { subject }))
  await registry.pushManifest('kept/app', digestOf(referrer), referrer)
  const dry = await registry.product.api('POST', '/api/v1/retention/run', { dryRun: true })
  const planned = (dry.body as { deleted: { digest: string }[] }).deleted.map(({ digest }) => digest)
  assert.deepEqual(planned, [oldest])
  assert.ok(await has('kept/app', 'a'), 'a dry run deletes nothing')
  await registry.product.api('POST', '/api/v1/retention/run', {})
  assert.equal(await has('kept/app', 'a'), false)
  for (const reference of ['b', 'c', digestOf(referrer)]) assert.ok(await has('kept/app', reference))
})

test('garbage collection: a dry run says what would go, and deletes nothing', async () => {
  const digest = await registry.pushBlob('garbage/app', 'nobody needs this')
  await new Promise((resolve) => setTimeout(resolve, 20))
  const { body } = await registry.product.api('POST', '/api/v1/gc', { dryRun: true })
  assert.ok((body as { unlinkedBlobs: number }).unlinkedBlobs > 0)
  assert.equal((await registry.call('HEAD', `/v2/garbage/app/blobs/${digest}`)).status, 200)
})
