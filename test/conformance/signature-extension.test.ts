import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { digestOf, type Digest } from '../../src/kernel/digest.ts'
import { mediaTypes } from '../../src/kernel/media-types.ts'
import { buildImage, type BuiltImage } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { startRegistry, type RegistryClient } from '../fixtures/registry-client.ts'

interface Signature {
  readonly schemaVersion: number
  readonly name: string
  readonly type: string
  readonly content: string
}

let registry: RegistryClient
before(async () => {
  registry = await startRegistry({ PRATIQUE_PULL_WAIT_MS: '100' })
})
after(() => registry.product.stop())

/** What begins like an OpenPGP packet; nobody verifies it here. */
function message(text: string): Buffer {
  return Buffer.concat([Buffer.of(0x90), Buffer.from(text)])
}

function bodyOf(digest: Digest, content: Buffer, change: object = {}): Record<string, unknown> {
  const name = `${digest}@${'a'.repeat(32)}`
  return { schemaVersion: 2, name, type: 'atomic', content: content.toString('base64'), ...change }
}

function put(
  repository: string,
  digest: Digest,
  body: unknown,
  authorization?: string | null,
): Promise<Response> {
  return registry.call('PUT', `/extensions/v2/${repository}/signatures/${digest}`, {
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...(authorization === undefined ? {} : { authorization }),
  })
}

function get(repository: string, digest: Digest, authorization?: string | null): Promise<Response> {
  return registry.call('GET', `/extensions/v2/${repository}/signatures/${digest}`, {
    authorization: authorization === undefined ? registry.product.basic() : authorization,
  })
}

async function list(repository: string, digest: Digest, authorization?: string): Promise<Signature[]> {
  const answer = await get(repository, digest, authorization)
  assert.equal(answer.status, 200)
  return ((await answer.json()) as { signatures: Signature[] }).signatures
}

async function contents(repository: string, digest: Digest, authorization?: string): Promise<string[]> {
  const signatures = await list(repository, digest, authorization)
  return signatures.map(({ content }) => Buffer.from(content, 'base64').subarray(1).toString())
}

async function refused(answer: Response, status: number, code: string, why = /./): Promise<void> {
  const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] }
  assert.deepEqual([answer.status, errors[0]?.code], [status, code])
  assert.match(errors[0]?.message ?? '', why)
}

async function pushed(repository: string): Promise<BuiltImage> {
  const image = await buildImage({ layers: [{ 'name.txt': repository }] })
  const { product } = registry
  await pushImage({ url: product.url, authorization: product.basic() }, repository, '1', image)
  return image
}

/** Credentials of a robot that may do these things in `dev`. */
async function robot(name: string, actions: readonly string[]): Promise<{ basic: string; token: string }> {
  const { product } = registry
  const made = await product.api('POST', '/api/v1/robots', { name, actions, repositories: 'dev/**' })
  const { loginName, secret } = made.body as { loginName: string; secret: string }
  return { basic: product.basic(loginName, secret), token: secret }
}

/** A registry token with the scope that containers/image asks for. */
async function bearer(basic: string, repository: string, actions: string): Promise<string> {
  const query = `service=pratique&scope=repository:${repository}:${actions}`
  const answer = await fetch(`${registry.product.url}/token?${query}`, { headers: { authorization: basic } })
  return `Bearer ${((await answer.json()) as { token: string }).token}`
}

/** What arrives in the same millisecond is ordered by digest. */
async function nextMillisecond(): Promise<void> {
  const now = Date.now()
  while (Date.now() === now) await pause(1)
}

/** An artifact as the extension makes it, pushed in the ordinary way. */
async function attach(repository: string, image: BuiltImage, layers: readonly Buffer[]): Promise<Digest> {
  for (const layer of layers) await registry.pushBlob(repository, layer)
  const document = await registry.artifact(repository, {
    artifactType: mediaTypes.simpleSigning,
    layers: layers.map((layer) => {
      return { mediaType: mediaTypes.simpleSigningOpenpgp, digest: digestOf(layer), size: layer.length }
    }),
    subject: { mediaType: image.mediaType, digest: image.digest, size: image.manifest.length },
  })
  const digest = digestOf(JSON.stringify(document))
  assert.equal((await registry.pushManifest(repository, digest, document)).status, 201)
  return digest
}

describe('what containers/image is told', () => {
  test('the extension is announced on the version check, also where it asks to sign in', async () => {
    for (const [authorization, status] of [
      [undefined, 200],
      [null, 401],
    ] as const) {
      const answer = await registry.call('GET', '/v2/', authorization === null ? { authorization } : {})
      assert.equal(answer.status, status)
      assert.equal(answer.headers.get('x-registry-supports-signatures'), '1')
    }
  })

  test('what is not signed, or not here, has an empty list, as it has no referrers', async () => {
    const image = await pushed('dev/unsigned')
    assert.deepEqual(await list('dev/unsigned', image.digest), [])
    assert.deepEqual(await list('dev/unsigned', digestOf('another')), [])
    assert.deepEqual(await list('dev/nothing', image.digest), [])
  })

  test('a signature that was put is listed with its content, and is a referrer of the image', async () => {
    const repository = 'dev/signed'
    const { digest } = await pushed(repository)
    const answer = await put(repository, digest, bodyOf(digest, message('one')))
    assert.equal(answer.status, 201)
    assert.equal(answer.headers.get('oci-subject'), digest)
    const [signature, ...more] = await list(repository, digest)
    assert.deepEqual(more, [])
    assert.deepEqual(signature, {
      schemaVersion: 2,
      name: `${digest}@${digestOf(message('one')).slice(7, 39)}`,
      type: 'atomic',
      content: message('one').toString('base64'),
    })
    const filter = `artifactType=${encodeURIComponent(mediaTypes.simpleSigning)}`
    const referrers = await registry.call('GET', `/v2/${repository}/referrers/${digest}?${filter}`)
    const { manifests } = (await referrers.json()) as { manifests: { digest: string }[] }
    assert.deepEqual(
      manifests.map((manifest) => manifest.digest),
      [answer.headers.get('docker-content-digest')],
    )
  })

  test('the same signature again is the same artifact, by whatever name it comes', async () => {
    const repository = 'dev/twice'
    const { digest } = await pushed(repository)
    const digests = []
    for (const change of [
      {},
      { name: `${digest}@${'b'.repeat(32)}` },
      { schemaVersion: undefined, version: 2 },
    ]) {
      const answer = await put(repository, digest, bodyOf(digest, message('same'), change))
      assert.equal(answer.status, 201)
      digests.push(answer.headers.get('docker-content-digest'))
    }
    assert.equal(new Set(digests).size, 1)
    assert.equal((await list(repository, digest)).length, 1)
  })
})

describe('who may', () => {
  const repository = 'dev/rights'
  let image: BuiltImage
  before(async () => {
    image = await pushed(repository)
    await put(repository, image.digest, bodyOf(image.digest, message('first')))
  })

  test('somebody unknown is asked to sign in, for the scope that the method needs', async () => {
    for (const [answer, scope] of [
      [await get(repository, image.digest, null), `repository:${repository}:pull`],
      [
        await put(repository, image.digest, bodyOf(image.digest, message('x')), null),
        `repository:${repository}:`,
      ],
    ] as const) {
      assert.ok((answer.headers.get('www-authenticate') ?? '').includes(scope))
      await refused(answer, 401, 'UNAUTHORIZED')
    }
  })

  test('who pulls reads, who signs or pushes adds, and the scope of a token bounds both', async () => {
    const puller = await robot('puller', ['pull'])
    const signer = await robot('signer', ['pull', 'sign'])
    const pusher = await robot('pusher', ['pull', 'push'])
    const stranger = await robot('blind', [])
    const tokens: readonly [name: string, authorization: string, read: number, write: number][] = [
      ['puller', await bearer(puller.basic, repository, 'pull,push'), 200, 403],
      ['signer', await bearer(signer.basic, repository, 'pull,push'), 200, 201],
      ['pusher', await bearer(pusher.basic, repository, 'pull,push'), 200, 201],
      ['pusher who asked to pull', await bearer(pusher.basic, repository, 'pull'), 200, 403],
      ['pusher for another repository', await bearer(pusher.basic, 'dev/else', 'pull,push'), 403, 403],
      ['pusher with Basic', pusher.basic, 200, 201],
      ['stranger', stranger.basic, 403, 403],
    ]
    for (const [name, authorization, read, write] of tokens) {
      const reading = await get(repository, image.digest, authorization)
      const body = bodyOf(image.digest, message(name))
      const writing = await put(repository, image.digest, body, authorization)
      // A token that does not cover it is a reason to get another one.
      const statusOf = ({ status }: Response): number => (status === 401 ? 403 : status)
      assert.deepEqual([statusOf(reading), statusOf(writing)], [read, write], name)
    }
  })

  test('the signatures of a quarantined image are read like its referrers, but not those quarantined themselves', async () => {
    const consumer = await robot('consumer', ['pull'])
    const held = await pushed('dev/held')
    const first = await put('dev/held', held.digest, bodyOf(held.digest, message('good')))
    const second = await put('dev/held', held.digest, bodyOf(held.digest, message('bad')))
    assert.deepEqual([first.status, second.status], [201, 201])
    const { product } = registry
    const quarantine = async (image: string): Promise<void> => {
      const answer = await product.api('POST', '/api/v1/quarantine', { image, reason: 'test' })
      assert.equal(answer.status, 200, JSON.stringify(answer.body))
    }
    await quarantine('dev/held:1')
    const manifest = await registry.call('GET', '/v2/dev/held/manifests/1', { authorization: consumer.basic })
    assert.equal(manifest.status, 403)
    const path = `/v2/dev/held/referrers/${held.digest}`
    assert.equal((await registry.call('GET', path, { authorization: consumer.basic })).status, 200)
    assert.deepEqual((await contents('dev/held', held.digest, consumer.basic)).toSorted(), ['bad', 'good'])
    const bad = second.headers.get('docker-content-digest')!
    await quarantine(`dev/held@${bad}`)
    // A decision about an artifact holds from its next push on.
    assert.equal((await registry.call('DELETE', `/v2/dev/held/manifests/${bad}`)).status, 202)
    assert.equal((await put('dev/held', held.digest, bodyOf(held.digest, message('bad')))).status, 201)
    assert.deepEqual((await contents('dev/held', held.digest)).toSorted(), ['bad', 'good'])
    assert.deepEqual(await contents('dev/held', held.digest, consumer.basic), ['good'])
  })
})

describe('what is refused', () => {
  const repository = 'dev/refused'
  let image: BuiltImage
  before(async () => {
    image = await pushed(repository)
  })

  test('a signature of what is not here, which makes no repository', async () => {
    const other = digestOf('another')
    await refused(
      await put(repository, other, bodyOf(other, message('x'))),
      404,
      'MANIFEST_UNKNOWN',
      /push the image before/,
    )
    const { digest } = image
    await refused(await put('dev/absent', digest, bodyOf(digest, message('x'))), 404, 'MANIFEST_UNKNOWN')
    assert.equal((await registry.call('GET', '/v2/dev/absent/tags/list')).status, 404)
  })

  test('a body that is no signature, with what it should be', async () => {
    const good = (change: object): string => JSON.stringify(bodyOf(image.digest, message('x'), change))
    const large = message('x'.repeat(64 * 1024)).toString('base64')
    for (const [body, why] of [
      ['', /not JSON/],
      ['[]', /object/],
      [good({}).slice(0, -1), /not JSON/],
      [good({}).replace('{', '{"type":"other",'), /twice/],
      [good({ schemaVersion: 1 }), /schemaVersion/],
      [good({ schemaVersion: undefined }), /schemaVersion/],
      [good({ type: 'cosign' }), /type/],
      [good({ name: `${digestOf('another')}@${'a'.repeat(32)}` }), /name/],
      [good({ content: '' }), /content/],
      [good({ content: 'kA=' }), /base64/],
      [good({ content: 'kB==' }), /base64/],
      [good({ content: '*' }), /content/],
      [good({ content: Buffer.from('-----BEGIN PGP MESSAGE-----').toString('base64') }), /binary OpenPGP/],
      [good({ content: large }), /65536 bytes/],
      [good({ more: 'x'.repeat(200_000) }), /65536 bytes/],
      [good({ extra: true }), /extra is not a member/],
    ] as const) {
      await refused(await put(repository, image.digest, body), 400, 'SIGNATURE_INVALID', why)
    }
    assert.deepEqual(await list(repository, image.digest), [])
  })

  test('other methods, and paths of another form, in the words of a registry', async () => {
    const path = `/extensions/v2/${repository}/signatures/${image.digest}`
    const answer = await registry.call('DELETE', path)
    assert.equal(answer.headers.get('allow'), 'GET, PUT')
    await refused(answer, 405, 'UNSUPPORTED')
    for (const [wrong, status, code] of [
      ['/extensions/v2/', 404, 'NAME_UNKNOWN'],
      [`/extensions/v2/${repository}`, 404, 'NAME_UNKNOWN'],
      [`/extensions/v2/signatures/${image.digest}`, 400, 'NAME_INVALID'],
      [`/extensions/v2/dev%2Frefused/signatures/${image.digest}`, 400, 'NAME_INVALID'],
      [`/extensions/v2/${repository}/signatures/latest`, 400, 'DIGEST_INVALID'],
    ] as const) {
      await refused(await registry.call('GET', wrong), status, code)
    }
  })
})

describe('how many', () => {
  test('the list is in the order of arrival, and nothing that comes later gets in front of it', async () => {
    const repository = 'dev/order'
    const image = await pushed(repository)
    const names = ['c', 'a', 'b']
    for (const name of names) {
      const answer = await put(repository, image.digest, bodyOf(image.digest, message(name)))
      assert.equal(answer.status, 201)
      await nextMillisecond()
    }
    const junk = Array.from({ length: 120 }, (_, index) => message(`junk ${index}`))
    await attach(repository, image, junk)
    await put(repository, image.digest, bodyOf(image.digest, message('c')))
    const found = await contents(repository, image.digest)
    assert.equal(found.length, 100)
    assert.deepEqual(found.slice(0, 3), names)
    const full = await put(repository, image.digest, bodyOf(image.digest, message('late')))
    await refused(full, 409, 'SIGNATURES_FULL', /delete some of its referrers/)
    const again = await put(repository, image.digest, bodyOf(image.digest, message('b')))
    assert.equal(again.status, 201, 'what is here already is not one more')
  })

  test('together they stay below what containers/image reads, and larger ones of others are left out', async () => {
    const repository = 'dev/large'
    const image = await pushed(repository)
    const large = (index: number): Buffer => message(String(index).padEnd(64 * 1024 - 1, 'x'))
    await attach(repository, image, [message('x'.repeat(64 * 1024))])
    await attach(
      repository,
      image,
      Array.from({ length: 31 }, (_, index) => large(index)),
    )
    assert.equal((await put(repository, image.digest, bodyOf(image.digest, large(31)))).status, 201)
    await attach(repository, image, [large(32)])
    const text = await (await get(repository, image.digest)).text()
    assert.equal((JSON.parse(text) as { signatures: unknown[] }).signatures.length, 32)
    assert.ok(text.length < 4 * 1024 * 1024, `${text.length} bytes`)
    const full = await put(repository, image.digest, bodyOf(image.digest, message('small')))
    await refused(full, 409, 'SIGNATURES_FULL', /2097152 bytes/)
  })
})
