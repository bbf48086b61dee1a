import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, test } from 'node:test'
import fc from 'fast-check'
import { buildImage, type BuiltImage } from '../../../test/fixtures/build-image.ts'
import { PlainRegistry, type RegistryHabits } from '../../../test/fixtures/plain-registry.ts'
import { digestOf, type Digest } from '../../kernel/digest.ts'
import { mediaTypes } from '../../kernel/media-types.ts'
import { RemoteFailure } from './failures.ts'
import { fallbackTagOf, RemoteRepository } from './remote-repository.ts'

const credentials = { username: 'user', password: 'secret' }
const unreachable = (why: RegExp) => (error: unknown) => {
  assert.ok(error instanceof RemoteFailure, String(error))
  assert.equal(error.code, 'TARGET_UNREACHABLE')
  assert.match(error.message, why)
  return true
}

let registry: PlainRegistry
let repository: RemoteRepository

async function start(habits: RegistryHabits = {}, timeoutMs = 60_000): Promise<void> {
  await registry?.stop()
  registry = await new PlainRegistry(habits).start()
  repository = await RemoteRepository.open(registry.host, 'app', { credentials, timeoutMs })
}

beforeEach(() => start())
afterEach(() => registry.stop())

const image = await buildImage({ layers: [{ a: 'an image' }] })

async function referrer(name: string, subject: BuiltImage = image): Promise<BuiltImage> {
  const { mediaType, digest, manifest } = subject
  return buildImage({ layers: [{ a: name }], subject: { mediaType, digest, size: manifest.length } })
}

describe('reading', () => {
  test('a manifest comes by tag and by digest with what it is, and a missing one is undefined', async () => {
    registry.add(image, '1')
    for (const reference of ['1', image.digest]) {
      const found = await repository.findManifest(reference)
      assert.deepEqual(found, { bytes: image.manifest, digest: image.digest, mediaType: image.mediaType })
    }
    assert.equal(await repository.findManifest('2'), undefined)
    assert.equal(await repository.findManifest(digestOf('another')), undefined)
  })

  test('content of another digest is refused, of manifests and of blobs', async () => {
    const digest = digestOf('asked')
    registry.manifests.set(digest, { bytes: Buffer.from('{}'), mediaType: mediaTypes.ociManifest })
    registry.blobs.set(digest, Buffer.from('other'))
    await assert.rejects(repository.findManifest(digest), unreachable(/with other content/))
    await assert.rejects(repository.findBlob(digest, 1_000), unreachable(/with other content/))
  })

  test('a blob is read up to its limit, and not a byte further', async () => {
    const bytes = randomBytes(1_000)
    registry.blobs.set(digestOf(bytes), bytes)
    assert.deepEqual(await repository.findBlob(digestOf(bytes), 1_000), bytes)
    await assert.rejects(repository.findBlob(digestOf(bytes), 999), unreachable(/more than 999 bytes/))
    assert.equal(await repository.findBlob(digestOf('absent'), 10), undefined)
  })

  for (const [about, answer] of [
    ['ends in the middle of a body', endsEarly],
    ['says nothing after the headers', (response) => response.writeHead(200).write('{')],
    ['says nothing at all', () => {}],
    ['hangs up', (response) => response.destroy()],
    ['answers 429', (response) => response.writeHead(429).end('slow down')],
    ['answers 500', (response) => response.writeHead(500).end('x'.repeat(2_000_000))],
    ['answers 403', (response) => response.writeHead(403).end()],
    ['redirects in a circle', (response) => response.writeHead(302, { location: '/v2/app/x' }).end()],
  ] as readonly (readonly [string, (response: ServerResponse) => unknown])[]) {
    test(`a registry that ${about} is one that cannot be reached`, { timeout: 60_000 }, async () => {
      await start({}, 300)
      registry.instead = (_request, response) => {
        answer(response)
        return true
      }
      await assert.rejects(repository.findManifest('1'), unreachable(/./))
      await assert.rejects(repository.findBlob(digestOf('a'), 10), unreachable(/./))
      await assert.rejects(repository.listReferrers(image.digest, 10), unreachable(/./))
    })
  }

  test('nobody who listens is a registry that cannot be reached', async () => {
    const gone = await RemoteRepository.open('127.0.0.1:9', 'app', { credentials })
    await assert.rejects(gone.findManifest('1'), unreachable(/cannot be reached/))
  })
})

function endsEarly(response: ServerResponse): void {
  response.writeHead(200, { 'content-length': 1_000 })
  response.write('{"schemaVersion"')
  setImmediate(() => response.destroy())
}

describe('referrers', () => {
  test('come from every page, as many as are asked for', async () => {
    await start({ pageSize: 2 })
    const pushed = await Promise.all(['1', '2', '3', '4', '5'].map((name) => referrer(name)))
    for (const one of pushed) registry.add(one)
    const found = await repository.listReferrers(image.digest, 100)
    assert.deepEqual(
      found,
      pushed.map(({ digest }) => digest),
    )
    assert.deepEqual(await repository.listReferrers(image.digest, 3), found.slice(0, 3))
    assert.deepEqual(await repository.listReferrers(digestOf('unsigned'), 3), [])
  })

  for (const status of [400, 404, 405, 406, 501]) {
    test(`come from the tag where the registry answers ${status} for the list`, async () => {
      await start({ referrers: status })
      assert.deepEqual(await repository.listReferrers(image.digest, 10), [])
      const one = await referrer('one')
      listUnderTag([one.digest])
      assert.deepEqual(await repository.listReferrers(image.digest, 10), [one.digest])
    })
  }

  for (const status of [401, 403, 429, 500, 503]) {
    test(`are not known, rather than none, where it answers ${status}`, async () => {
      await start({ referrers: status })
      listUnderTag([digestOf('one')])
      await assert.rejects(repository.listReferrers(image.digest, 10), unreachable(/./))
    })
  }

  test('of a page that is gone are not left out without a word', async () => {
    await start({ pageSize: 1 })
    for (const name of ['1', '2', '3']) registry.add(await referrer(name))
    registry.instead = (request, response) => {
      if (!request.url?.includes('from=2')) return false
      response.writeHead(404).end()
      return true
    }
    await assert.rejects(repository.listReferrers(image.digest, 10), unreachable(/./))
  })

  test('on pages without end are given up, not read for ever', async () => {
    const list = JSON.stringify({ manifests: [] })
    registry.instead = (request, response) => {
      response.writeHead(200, { link: `<${request.url}>; rel="next"` }).end(list)
      return true
    }
    await assert.rejects(repository.listReferrers(image.digest, 10), unreachable(/pages/))
    assert.ok(registry.asked.length <= 101)
  })

  test('in whatever shape are digests or a failure, and never crash', async () => {
    let answer = ''
    registry.instead = (_request, response) => {
      response.writeHead(200).end(answer)
      return true
    }
    const member = fc.oneof(fc.jsonValue(), fc.constant(image.digest), fc.string())
    const shapes = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .record({ manifests: fc.array(fc.record({ digest: member }), { maxLength: 5 }) })
        .map((one) => JSON.stringify(one)),
    )
    await fc.assert(
      fc.asyncProperty(shapes, async (text) => {
        answer = text
        try {
          for (const digest of await repository.listReferrers(image.digest, 10)) {
            assert.match(digest, /^sha(256|512):[0-9a-f]+$/)
          }
        } catch (error) {
          assert.ok(error instanceof RemoteFailure, String(error))
        }
      }),
      { numRuns: 300 },
    )
  })
})

function listUnderTag(digests: readonly Digest[]): void {
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, manifests: digests.map((digest) => ({ digest })) }),
  )
  const index = {
    manifest,
    mediaType: mediaTypes.ociIndex,
    blobs: new Map(),
    digest: digestOf(manifest),
    diffIds: [],
  }
  registry.add(index, fallbackTagOf(image.digest))
}

describe('pushing', () => {
  test('a blob is uploaded once, and what the registry has is not sent again', async () => {
    const bytes = randomBytes(100)
    assert.equal(await repository.pushBlob(bytes), digestOf(bytes))
    assert.deepEqual(registry.blobs.get(digestOf(bytes)), bytes)
    await repository.pushBlob(bytes)
    assert.equal(registry.asked.filter(({ line }) => line.startsWith('PUT')).length, 1)
  })

  test('an upload that begins nowhere is refused with what is missing', async () => {
    registry.instead = (request, response) => {
      if (request.method !== 'POST') return false
      response.writeHead(202).end()
      return true
    }
    await assert.rejects(repository.pushBlob(Buffer.from('a')), unreachable(/Location/i))
  })

  test('a manifest replaces only what was read, and says whether referrers are listed', async () => {
    const manifest = (name: string): Promise<BuiltImage> => referrer(name)
    const [first, second] = [await manifest('first'), await manifest('second')]
    const pushed = await repository.pushManifest('t', first.manifest, first.mediaType, null)
    assert.equal(pushed.listsReferrers, true)
    const moved = (error: RemoteFailure) => error.status === 412
    await assert.rejects(repository.pushManifest('t', second.manifest, second.mediaType, null), moved)
    const other = digestOf('other')
    await assert.rejects(repository.pushManifest('t', second.manifest, second.mediaType, other), moved)
    await repository.pushManifest('t', second.manifest, second.mediaType, first.digest)
    assert.equal(registry.tags.get('t'), second.digest)
  })

  test('where referrers are not listed, that is said', async () => {
    await start({ referrers: 404 })
    const one = await referrer('one')
    const { listsReferrers } = await repository.pushManifest(one.digest, one.manifest, one.mediaType)
    assert.equal(listsReferrers, false)
  })
})

describe('signing in', () => {
  test('reads with a token to pull, and pushes with one to push', async () => {
    await start({ tokens: true })
    registry.add(image, '1')
    assert.ok(await repository.findManifest('1'))
    await repository.pushBlob(Buffer.from('blob'))
    assert.deepEqual(registry.scopes, ['repository:app:pull', 'repository:app:pull,push'])
  })

  test('with a wrong password is told, with what to do', async () => {
    await start({ tokens: true })
    const wrong = { credentials: { username: 'user', password: 'wrong' } }
    const stranger = await RemoteRepository.open(registry.host, 'app', wrong)
    await assert.rejects(stranger.findManifest('1'), unreachable(/sign in first/))
  })

  test('never shows the token or the password to another host', async () => {
    await start({ tokens: true })
    const other = await new PlainRegistry().start()
    try {
      other.instead = (_request, response) => {
        response.writeHead(200).end('{"manifests":[]}')
        return true
      }
      registry.add(image, '1')
      await repository.findManifest('1')
      registry.instead = (request, response, path) => {
        if (path.startsWith('referrers/')) {
          const next = { link: `<http://${other.host}/v2/app/referrers/x>; rel="next"` }
          response.writeHead(200, next).end('{"manifests":[]}')
        } else if (request.method === 'POST') {
          response.writeHead(202, { location: `http://${other.host}/upload` }).end()
        } else return false
        return true
      }
      await repository.listReferrers(image.digest, 10).catch(() => [])
      await repository.pushBlob(Buffer.from('elsewhere'))
      assert.ok(other.asked.length > 0)
      assert.deepEqual(
        other.asked.filter(({ authorization }) => authorization !== undefined),
        [],
      )
    } finally {
      await other.stop()
    }
  })
})
