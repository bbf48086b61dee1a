import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../src/kernel/digest.ts'
import { mediaTypes } from '../../src/kernel/media-types.ts'
import { startRegistry, type RegistryClient } from '../fixtures/registry-client.ts'

let registry: RegistryClient
before(async () => (registry = await startRegistry()))
after(() => registry.product.stop())

const repository = 'conform/manifests'

async function firstError(answer: Response): Promise<{ code: string; message: string }> {
  const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] }
  return errors[0] ?? { code: '', message: '' }
}

describe('a manifest', () => {
  test('comes back byte for byte, by tag and by digest, with its type and digest', async () => {
    const text = `${JSON.stringify({ ...(await registry.artifact(repository)), custom: { kept: ' as is' } }, null, 3)}\n`
    const pushed = await registry.pushManifest(repository, 'bytes', text)
    assert.equal(pushed.status, 201)
    const digest = digestOf(text)
    assert.equal(pushed.headers.get('docker-content-digest'), digest)
    assert.equal(pushed.headers.get('location'), `/v2/${repository}/manifests/${digest}`)
    for (const reference of ['bytes', digest]) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await registry.call(method, `/v2/${repository}/manifests/${reference}`)
        assert.equal(answer.status, 200)
        assert.equal(answer.headers.get('content-type'), mediaTypes.ociManifest)
        assert.equal(answer.headers.get('docker-content-digest'), digest)
        assert.equal(answer.headers.get('content-length'), String(Buffer.byteLength(text)))
        assert.equal(await answer.text(), method === 'GET' ? text : '')
      }
    }
  })

  test('can be pushed under a sha512 digest', async () => {
    const text = JSON.stringify(await registry.artifact(repository, { annotations: { a: 'sha512' } }))
    const digest = digestOf(text, 'sha512')
    assert.equal((await registry.pushManifest(repository, digest, text)).status, 201)
    assert.equal((await registry.call('GET', `/v2/${repository}/manifests/${digest}`)).status, 200)
  })

  test('pushed by digest takes several tags at once', async () => {
    const text = JSON.stringify(await registry.artifact(repository, { annotations: { a: 'tags' } }))
    const answer = await registry.pushManifest(repository, `${digestOf(text)}?tag=one&tag=two`, text)
    assert.equal(answer.status, 201)
    assert.equal(answer.headers.get('oci-tag'), 'one, two')
    for (const tag of ['one', 'two']) {
      assert.equal((await registry.call('HEAD', `/v2/${repository}/manifests/${tag}`)).status, 200)
    }
  })

  test('with a digest that is not its own is refused', async () => {
    const answer = await registry.pushManifest(
      repository,
      digestOf('other'),
      await registry.artifact(repository),
    )
    assert.equal(answer.status, 400)
    assert.equal((await firstError(answer)).code, 'DIGEST_INVALID')
  })

  test('whose layer is missing is refused, and the error names it', async () => {
    const missing = { mediaType: mediaTypes.ociLayer, digest: digestOf('missing'), size: 7 }
    const answer = await registry.pushManifest(
      repository,
      'missing',
      await registry.artifact(repository, { layers: [missing] }),
    )
    assert.equal(answer.status, 404)
    const { code, message } = await firstError(answer)
    assert.equal(code, 'MANIFEST_BLOB_UNKNOWN')
    assert.match(message, new RegExp(missing.digest))
  })

  test('may have a layer that others serve', async () => {
    const layer = {
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      digest: digestOf('elsewhere'),
      size: 9,
      urls: ['https://layers.example/x'],
    }
    const answer = await registry.pushManifest(
      repository,
      'foreign',
      await registry.artifact(repository, { layers: [layer] }),
    )
    assert.equal(answer.status, 201)
  })

  test('may embed data, and wrong data is refused', async () => {
    const artifact = await registry.artifact(repository)
    const config = artifact['config'] as object
    const right = { ...artifact, config: { ...config, data: Buffer.from('{}').toString('base64') } }
    assert.equal((await registry.pushManifest(repository, 'data', right)).status, 201)
    const wrong = { ...artifact, config: { ...config, data: Buffer.from('[]').toString('base64') } }
    assert.equal((await registry.pushManifest(repository, 'data', wrong)).status, 400)
  })

  test('with a wrong size is refused', async () => {
    const artifact = await registry.artifact(repository)
    const config = { ...(artifact['config'] as object), size: 3 }
    const answer = await registry.pushManifest(repository, 'size', { ...artifact, config })
    assert.equal((await firstError(answer)).code, 'SIZE_INVALID')
  })

  test('pitfall 2: larger than 4 MiB is 413, and the connection stays usable', async () => {
    const large = JSON.stringify(
      await registry.artifact(repository, { annotations: { a: 'x'.repeat(4 << 20) } }),
    )
    assert.equal((await registry.pushManifest(repository, 'large', large)).status, 413)
    assert.equal((await registry.call('GET', '/v2/')).status, 200)
  })

  test('an unknown one is 404, and so is what cannot be a tag', async () => {
    for (const reference of ['nope', '.INVALID_MANIFEST_NAME', digestOf('nope')]) {
      const answer = await registry.call('GET', `/v2/${repository}/manifests/${reference}`)
      assert.equal(answer.status, 404)
      assert.equal((await firstError(answer)).code, 'MANIFEST_UNKNOWN')
    }
  })

  test('a deleted tag leaves the manifest, a deleted manifest takes its tags', async () => {
    const text = JSON.stringify(await registry.artifact(repository, { annotations: { a: 'deleted' } }))
    await registry.pushManifest(repository, 'gone-1', text)
    await registry.pushManifest(repository, 'gone-2', text)
    const path = `/v2/${repository}/manifests/`
    assert.equal((await registry.call('DELETE', `${path}gone-1`)).status, 202)
    assert.equal((await registry.call('GET', `${path}gone-1`)).status, 404)
    assert.equal((await registry.call('GET', path + digestOf(text))).status, 200)
    assert.equal((await registry.call('DELETE', path + digestOf(text))).status, 202)
    assert.equal((await registry.call('GET', `${path}gone-2`)).status, 404)
    assert.equal((await registry.call('DELETE', path + digestOf(text))).status, 404)
  })
})

describe('pitfall 1: what could be read as two things', () => {
  const cases: readonly [
    name: string,
    change: (artifact: Record<string, unknown>) => unknown,
    type?: string,
  ][] = [
    ['manifests beside layers', (artifact) => ({ ...artifact, manifests: [] })],
    ['a body of another type than the header', (artifact) => artifact, mediaTypes.ociIndex],
    [
      'an index type without manifests',
      (artifact) => ({ ...artifact, mediaType: mediaTypes.ociIndex }),
      mediaTypes.ociIndex,
    ],
    ['schema 1', (artifact) => ({ ...artifact, schemaVersion: 1 })],
    ['an unknown type', (artifact) => ({ ...artifact, mediaType: 'application/x' }), 'application/x'],
    ['the same key twice', (artifact) => JSON.stringify(artifact).replace('{', '{"schemaVersion":2,')],
    ['no JSON', () => '{"schemaVersion":'],
    ['an array', () => '[]'],
    ['nesting without end', () => `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['text that is not UTF-8', () => '{"a":"\ud800"}'],
  ]
  for (const [name, change, type] of cases) {
    test(`${name} is refused`, async () => {
      const answer = await registry.pushManifest(
        repository,
        'two',
        change(await registry.artifact(repository)),
        type,
      )
      assert.equal(answer.status, 400)
      assert.equal((await firstError(answer)).code, 'MANIFEST_INVALID')
    })
  }
})

describe('an index', () => {
  test('lists manifests of its repository, also other indexes; a missing child is refused', async () => {
    const child = JSON.stringify(await registry.artifact(repository, { annotations: { a: 'child' } }))
    await registry.pushManifest(repository, digestOf(child), child)
    const entry = { mediaType: mediaTypes.ociManifest, digest: digestOf(child), size: child.length }
    const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [entry] })
    assert.equal((await registry.pushManifest(repository, 'index', index, mediaTypes.ociIndex)).status, 201)
    const nested = {
      schemaVersion: 2,
      manifests: [{ mediaType: mediaTypes.ociIndex, digest: digestOf(index), size: index.length }],
    }
    assert.equal((await registry.pushManifest(repository, 'nested', nested, mediaTypes.ociIndex)).status, 201)
    const broken = { schemaVersion: 2, manifests: [{ ...entry, digest: digestOf('none') }] }
    assert.equal((await registry.pushManifest(repository, 'broken', broken, mediaTypes.ociIndex)).status, 404)
  })
})

describe('referrers', () => {
  test('are listed with their own artifact type, filtered, and for a subject that comes later', async () => {
    const subject = JSON.stringify(await registry.artifact(repository, { annotations: { a: 'subject' } }))
    const descriptor = { mediaType: mediaTypes.ociManifest, digest: digestOf(subject), size: subject.length }
    for (const type of ['application/vnd.example.sbom', 'application/vnd.example.signature']) {
      const referrer = await registry.artifact(repository, {
        artifactType: type,
        subject: descriptor,
        annotations: { type },
      })
      const answer = await registry.pushManifest(repository, digestOf(JSON.stringify(referrer)), referrer)
      assert.equal(answer.status, 201)
      assert.equal(answer.headers.get('oci-subject'), descriptor.digest)
    }
    await registry.pushManifest(repository, 'subject', subject)
    const path = `/v2/${repository}/referrers/${descriptor.digest}`
    const all = await registry.call('GET', path)
    assert.equal(all.headers.get('content-type'), mediaTypes.ociIndex)
    const { manifests } = (await all.json()) as { manifests: { artifactType: string; annotations: object }[] }
    assert.equal(manifests.length, 2)
    assert.deepEqual(manifests[0]?.annotations, { type: manifests[0]?.artifactType })
    const filtered = await registry.call('GET', `${path}?artifactType=application/vnd.example.sbom`)
    assert.equal(filtered.headers.get('oci-filters-applied'), 'artifactType')
    const some = (await filtered.json()) as { manifests: unknown[] }
    assert.equal(some.manifests.length, 1)
  })

  test('come in pages that link to the next', async () => {
    const subject = { mediaType: mediaTypes.ociManifest, digest: digestOf('paged'), size: 5 }
    for (const number of [1, 2, 3]) {
      const referrer = await registry.artifact(repository, {
        subject,
        annotations: { number: String(number) },
      })
      await registry.pushManifest(repository, digestOf(JSON.stringify(referrer)), referrer)
    }
    let path: string | undefined = `/v2/${repository}/referrers/${subject.digest}?n=2`
    const seen: string[] = []
    while (path) {
      const answer = await registry.call('GET', path)
      const { manifests } = (await answer.json()) as { manifests: { digest: string }[] }
      seen.push(...manifests.map(({ digest }) => digest))
      path = /<([^>]+)>/.exec(answer.headers.get('link') ?? '')?.[1]
    }
    assert.equal(new Set(seen).size, 3)
  })

  test('that an older client keeps under the fallback tag are merged in', async () => {
    const subject = digestOf('old subject')
    const referrer = JSON.stringify(
      await registry.artifact(repository, { artifactType: 'application/vnd.example.old' }),
    )
    await registry.pushManifest(repository, digestOf(referrer), referrer)
    const entry = { mediaType: mediaTypes.ociManifest, digest: digestOf(referrer), size: referrer.length }
    const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [entry] }
    await registry.pushManifest(repository, subject.replace(':', '-'), index, mediaTypes.ociIndex)
    const answer = await registry.call('GET', `/v2/${repository}/referrers/${subject}`)
    const { manifests } = (await answer.json()) as { manifests: { artifactType: string }[] }
    assert.deepEqual(
      manifests.map(({ artifactType }) => artifactType),
      ['application/vnd.example.old'],
    )
  })

  test('of what nobody refers to, or in no repository, are an empty index', async () => {
    for (const name of [repository, 'conform/none']) {
      const answer = await registry.call('GET', `/v2/${name}/referrers/${digestOf('lonely')}`)
      assert.equal(answer.status, 200)
      assert.deepEqual(((await answer.json()) as { manifests: unknown[] }).manifests, [])
    }
  })
})
