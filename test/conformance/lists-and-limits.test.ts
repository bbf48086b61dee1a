import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../../src/kernel/digest.ts'
import { startRegistry, type RegistryClient } from '../fixtures/registry-client.ts'

let registry: RegistryClient
before(async () => {
  registry = await startRegistry({
    PRATIQUE_PAGE_SIZE: '50',
    PRATIQUE_UPLOADS_PER_PRINCIPAL: '20',
    PRATIQUE_BODY_IDLE_MS: '400',
  })
})
after(() => registry.product.stop())

const repository = 'conform/lists'

async function bodyOf<Body>(answer: Response): Promise<Body> {
  return (await answer.json()) as Body
}

describe('tags', () => {
  before(async () => {
    const text = JSON.stringify(await registry.artifact(repository))
    for (const tag of ['b', 'a', 'c', 'B', '_x']) await registry.pushManifest(repository, tag, text)
  })

  test('are sorted by their bytes', async () => {
    const { name, tags } = await bodyOf<{ name: string; tags: string[] }>(
      await registry.call('GET', `/v2/${repository}/tags/list`),
    )
    assert.equal(name, repository)
    assert.deepEqual(tags, ['B', '_x', 'a', 'b', 'c'])
  })

  test('come in pages after `last`, each linked to the next', async () => {
    let path: string | undefined = `/v2/${repository}/tags/list?n=2`
    const pages: string[][] = []
    while (path) {
      const answer = await registry.call('GET', path)
      pages.push((await bodyOf<{ tags: string[] }>(answer)).tags)
      path = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1]
    }
    assert.deepEqual(pages, [['B', '_x'], ['a', 'b'], ['c']])
  })

  test('n=0 is an empty page', async () => {
    const answer = await registry.call('GET', `/v2/${repository}/tags/list?n=0`)
    assert.deepEqual((await bodyOf<{ tags: string[] }>(answer)).tags, [])
  })

  test('of a repository that is not there are 404 NAME_UNKNOWN', async () => {
    const answer = await registry.call('GET', '/v2/conform/nothing/tags/list')
    assert.equal(answer.status, 404)
    assert.equal((await bodyOf<{ errors: { code: string }[] }>(answer)).errors[0]?.code, 'NAME_UNKNOWN')
  })
})

describe('the catalog', () => {
  test('lists what the caller may pull, and for nobody else', async () => {
    const all = await bodyOf<{ repositories: string[] }>(await registry.call('GET', '/v2/_catalog'))
    assert.ok(all.repositories.includes(repository))
    assert.equal((await registry.call('GET', '/v2/_catalog', { authorization: null })).status, 401)
    const { body } = await registry.product.api('POST', '/api/v1/robots', { name: 'blind' })
    const { loginName, secret } = body as { loginName: string; secret: string }
    const none = await registry.call('GET', '/v2/_catalog', {
      authorization: registry.product.basic(loginName, secret),
    })
    assert.deepEqual((await bodyOf<{ repositories: string[] }>(none)).repositories, [])
  })

  test('pitfall 2: a huge n is cut to the page size, a senseless one refused', async () => {
    assert.equal((await registry.call('GET', '/v2/_catalog?n=999999999')).status, 200)
    for (const n of ['-1', 'x', '1e9', '99999999999999999999']) {
      assert.equal((await registry.call('GET', `/v2/_catalog?n=${n}`)).status, 400, n)
      assert.equal((await registry.call('GET', `/v2/${repository}/tags/list?n=${n}`)).status, 400, n)
    }
  })
})

describe('pitfall 21: limits', () => {
  test('more open uploads than allowed are 429, and cancelling makes room', async () => {
    const locations: string[] = []
    let status = 202
    while (status === 202 && locations.length < 30) {
      const answer = await registry.call('POST', `/v2/${repository}/blobs/uploads/`)
      status = answer.status
      if (status === 202) locations.push(answer.headers.get('location') as string)
    }
    assert.equal(status, 429)
    for (const location of locations) await registry.call('DELETE', location)
    const again = await registry.call('POST', `/v2/${repository}/blobs/uploads/`)
    assert.equal(again.status, 202)
    await registry.call('DELETE', again.headers.get('location') as string)
  })

  test('a client that stops sending its body is answered 408 and let go', async () => {
    const begun = await registry.call('POST', `/v2/${repository}/blobs/uploads/`)
    const path = begun.headers.get('location') as string
    const answer = await raw(
      `PATCH ${path} HTTP/1.1\r\nhost: x\r\nauthorization: ${registry.product.basic()}\r\ncontent-length: 1000000\r\n\r\nabc`,
    )
    assert.match(answer, /^HTTP\/1\.1 408 /)
    const status = await registry.call('GET', path)
    assert.equal(status.headers.get('range'), '0-2')
    await registry.call('DELETE', path)
  })

  test('a header larger than allowed is 431, and the server goes on', async () => {
    const answer = await raw(`GET /v2/ HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 431 /)
    assert.equal((await registry.call('GET', '/v2/')).status, 200)
  })

  test('a repository name that is too long is refused with the limit', async () => {
    const answer = await registry.call('GET', `/v2/${'a'.repeat(300)}/tags/list`)
    assert.equal(answer.status, 400)
    assert.match((await bodyOf<{ errors: { message: string }[] }>(answer)).errors[0]?.message ?? '', /255/)
  })

  test('a method that is not served is 405 with the ones that are', async () => {
    const answer = await registry.call('POST', `/v2/${repository}/tags/list`)
    assert.equal(answer.status, 405)
    assert.equal(answer.headers.get('allow'), 'GET')
  })
})

test('pitfall 15: whatever path, query and headers come in, the answer is never a 500', async () => {
  const part = fc.oneof(
    fc.constantFrom(
      'v2',
      '_catalog',
      'tags',
      'list',
      'manifests',
      'blobs',
      'uploads',
      'referrers',
      '..',
      '%2e%2e',
      '%00',
      '%2f',
      'conform',
      'lists',
      '',
    ),
    fc.constant(digestOf('x')),
    fc.string({ unit: 'grapheme-ascii', maxLength: 20 }).map(encodeURIComponent),
    fc
      .string({ unit: 'grapheme-ascii', maxLength: 10 })
      .map((text) => text.replaceAll(/[^!-~]|[?#/\\]/g, '')),
  )
  const path = fc.array(part, { maxLength: 7 }).map((parts) => `/v2/${parts.join('/')}`)
  const query = fc.constantFrom(
    '',
    '?n=1',
    '?n=&last=%00',
    '?mount=x',
    '?digest=sha256:x',
    '?tag=%2f',
    '?artifactType=%ff',
    '?digest-algorithm=md4',
  )
  const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE')
  const headers = fc.constantFrom<Record<string, string>>(
    {},
    { range: 'bytes=9-1' },
    { 'content-range': '5-1' },
    { 'content-range': 'x' },
    { 'content-type': 'x' },
    { accept: '\u00ff' },
  )
  await fc.assert(
    fc.asyncProperty(method, path, query, headers, async (verb, where, what, more) => {
      const body = verb === 'PUT' || verb === 'PATCH' ? { body: 'x' } : {}
      const answer = await registry.call(verb, where + what, {
        ...body,
        headers: { 'content-type': 'text/plain', ...more },
      })
      assert.ok(answer.status < 500, `${verb} ${where}${what}: ${answer.status}`)
      await answer.arrayBuffer()
    }),
    { numRuns: 400 },
  )
})

test('pitfall 1: whatever a manifest says, the answer is never a 500', async () => {
  const artifact = await registry.artifact(repository)
  const anything = fc.letrec((tie) => ({
    value: fc.oneof(fc.jsonValue({ maxDepth: 2 }), tie('value')),
  })).value
  const key = fc.constantFrom(
    'schemaVersion',
    'mediaType',
    'artifactType',
    'config',
    'layers',
    'manifests',
    'subject',
    'annotations',
    '__proto__',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(key, anything), { minLength: 1, maxLength: 3 }), async (changes) => {
      const document = { ...artifact, ...Object.fromEntries(changes) }
      const answer = await registry.pushManifest(repository, 'fuzz', document)
      assert.ok(answer.status < 500, JSON.stringify(document))
      await answer.arrayBuffer()
    }),
    { numRuns: 200 },
  )
})

/** Sends bytes as they are and gives all that comes back until the server closes, or 3 s. */
function raw(text: string): Promise<string> {
  const { hostname, port } = new URL(registry.product.url)
  return new Promise((resolve, reject) => {
    let received = ''
    const socket = connect(Number(port), hostname, () => socket.write(text))
    socket.setTimeout(3_000, () => socket.destroy())
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()))
    socket.on('close', () => resolve(received))
    socket.on('error', reject)
  })
}
