import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../src/kernel/digest.ts'
import { startRegistry, type RegistryClient } from '../fixtures/registry-client.ts'

let registry: RegistryClient
before(async () => (registry = await startRegistry()))
after(() => registry.product.stop())

const repository = 'conform/blobs'
const uploads = `/v2/${repository}/blobs/uploads/`
const stream = { 'content-type': 'application/octet-stream' }

async function begin(query = ''): Promise<string> {
  const answer = await registry.call('POST', uploads + query)
  assert.equal(answer.status, 202)
  return answer.headers.get('location') as string
}

function chunk(location: string, body: string, range?: string): Promise<Response> {
  return registry.call('PATCH', location, {
    body,
    headers: { ...stream, ...(range ? { 'content-range': range } : {}) },
  })
}

async function codeOf(answer: Response): Promise<string> {
  const { errors } = (await answer.json()) as { errors: { code: string }[] }
  return errors[0]?.code ?? ''
}

describe('pushing a blob', () => {
  test('in one POST', async () => {
    const digest = digestOf('one post')
    const answer = await registry.call('POST', `${uploads}?digest=${digest}`, {
      body: 'one post',
      headers: stream,
    })
    assert.equal(answer.status, 201)
    assert.equal(answer.headers.get('location'), `/v2/${repository}/blobs/${digest}`)
    assert.equal(answer.headers.get('docker-content-digest'), digest)
  })

  test('with POST and PUT', async () => {
    const digest = digestOf('post and put')
    const location = await begin()
    const answer = await registry.call('PUT', `${location}?digest=${digest}`, {
      body: 'post and put',
      headers: stream,
    })
    assert.equal(answer.status, 201)
    assert.equal(
      await (await registry.call('GET', `/v2/${repository}/blobs/${digest}`)).text(),
      'post and put',
    )
  })

  test('in chunks, and a chunk out of order gets 416 while the upload goes on', async () => {
    const location = await begin()
    const first = await chunk(location, 'first ', '0-5')
    assert.equal(first.status, 202)
    assert.equal(first.headers.get('range'), '0-5')
    const wrong = await chunk(location, 'wrong', '9-13')
    assert.equal(wrong.status, 416)
    assert.equal(wrong.headers.get('range'), '0-5')
    const status = await registry.call('GET', location)
    assert.equal(status.status, 204)
    assert.equal(status.headers.get('range'), '0-5')
    assert.equal((await chunk(location, 'second', '6-11')).status, 202)
    const digest = digestOf('first second')
    assert.equal((await registry.call('PUT', `${location}?digest=${digest}`)).status, 201)
  })

  test('an upload goes on after the server was killed', async () => {
    const location = await begin()
    await chunk(location, 'before ')
    await registry.product.restart('SIGKILL')
    const status = await registry.call('GET', location)
    assert.equal(status.headers.get('range'), '0-6')
    await chunk(location, 'after', '7-11')
    const digest = digestOf('before after')
    assert.equal((await registry.call('PUT', `${location}?digest=${digest}`)).status, 201)
    assert.equal(
      await (await registry.call('GET', `/v2/${repository}/blobs/${digest}`)).text(),
      'before after',
    )
  })

  test('with sha512, also when the algorithm was announced', async () => {
    for (const query of ['', '?digest-algorithm=sha512']) {
      const text = `sha512 ${query}`
      const digest = digestOf(text, 'sha512')
      const location = await begin(query)
      await chunk(location, text)
      assert.equal((await registry.call('PUT', `${location}?digest=${digest}`)).status, 201)
      const head = await registry.call('HEAD', `/v2/${repository}/blobs/${digest}`)
      assert.equal(head.headers.get('docker-content-digest'), digest)
    }
  })

  test('an empty blob', async () => {
    const digest = await registry.pushBlob(repository, '')
    const answer = await registry.call('GET', `/v2/${repository}/blobs/${digest}`)
    assert.equal(answer.status, 200)
    assert.equal((await answer.arrayBuffer()).byteLength, 0)
  })

  test('content with another digest is refused and is not there', async () => {
    const digest = digestOf('what was promised')
    const answer = await registry.call('POST', `${uploads}?digest=${digest}`, {
      body: 'something else',
      headers: stream,
    })
    assert.equal(answer.status, 400)
    assert.equal(await codeOf(answer), 'DIGEST_INVALID')
    assert.equal((await registry.call('HEAD', `/v2/${repository}/blobs/${digest}`)).status, 404)
  })

  test('a cancelled upload is gone', async () => {
    const location = await begin()
    assert.equal((await registry.call('DELETE', location)).status, 204)
    const answer = await registry.call('GET', location)
    assert.equal(answer.status, 404)
    assert.equal(await codeOf(answer), 'BLOB_UPLOAD_UNKNOWN')
  })

  test('pitfall 22: ten clients that finish the same content all get 201', async () => {
    const body = randomBytes(200_000)
    const digest = digestOf(body)
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        registry.call('POST', `${uploads}?digest=${digest}`, { body, headers: stream }),
      ),
    )
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]))
    const back = await registry.call('GET', `/v2/${repository}/blobs/${digest}`)
    assert.deepEqual(Buffer.from(await back.arrayBuffer()), body)
  })

  test('pitfall 22: an upload that is finished cannot be finished again', async () => {
    const location = await begin()
    await chunk(location, 'once')
    const digest = digestOf('once')
    assert.equal((await registry.call('PUT', `${location}?digest=${digest}`)).status, 201)
    assert.equal((await registry.call('PUT', `${location}?digest=${digest}`)).status, 404)
  })
})

describe('pitfall 8: an upload', () => {
  test('is not there for another account, in another repository, or under a guessed id', async () => {
    const location = await begin()
    const { body } = await registry.product.api('POST', '/api/v1/robots', {
      name: 'other',
      actions: ['pull', 'push'],
      repositories: '**',
    })
    const { loginName, secret } = body as { loginName: string; secret: string }
    const authorization = registry.product.basic(loginName, secret)
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      const path = method === 'PUT' ? `${location}?digest=${digestOf('x')}` : location
      const content = method === 'PATCH' || method === 'PUT' ? { body: 'x', headers: stream } : {}
      assert.equal((await registry.call(method, path, { ...content, authorization })).status, 404, method)
    }
    assert.equal((await registry.call('GET', location.replace(repository, 'conform/elsewhere'))).status, 404)
    assert.equal((await registry.call('GET', `${uploads}00000000-0000-4000-8000-000000000000`)).status, 404)
    assert.equal((await registry.call('GET', `${uploads}..%2f..%2fpratique.sqlite`)).status, 400)
    assert.equal((await registry.call('GET', location)).status, 204)
  })
})

describe('pitfall 9: state that the client carries', () => {
  test('is not believed: neither offsets and state in the address, nor their absence', async () => {
    const location = await begin()
    await registry.call('PATCH', location, { body: 'first', headers: stream })
    const forged = new URLSearchParams({
      _state: Buffer.from(
        '{"Offset":0,"Name":"conform/elsewhere","StartedAt":"2000-01-01T00:00:00Z"}',
      ).toString('base64url'),
      offset: '0',
      startedat: '0',
    })
    const status = await registry.call('GET', `${location}?${forged.toString()}`)
    assert.equal(status.headers.get('range'), '0-4')
    const appended = await registry.call('PATCH', `${location}?${forged.toString()}`, {
      body: 'second',
      headers: stream,
    })
    assert.equal(appended.headers.get('range'), '0-10')
    forged.set('digest', digestOf('second'))
    assert.equal((await registry.call('PUT', `${location}?${forged.toString()}`)).status, 400)
    forged.set('digest', digestOf('firstsecond'))
    assert.equal((await registry.call('PUT', `${location}?${forged.toString()}`)).status, 201)
    const blob = await registry.call('GET', `/v2/${repository}/blobs/${digestOf('firstsecond')}`)
    assert.equal(await blob.text(), 'firstsecond')
    const elsewhere = await registry.call('GET', `/v2/conform/elsewhere/blobs/${digestOf('firstsecond')}`)
    assert.equal(elsewhere.status, 404)
  })
})

describe('mounting', () => {
  test('links a blob from another repository', async () => {
    const digest = await registry.pushBlob('conform/source', 'to be mounted')
    const answer = await registry.call('POST', `${uploads}?mount=${digest}&from=conform/source`)
    assert.equal(answer.status, 201)
    assert.equal(answer.headers.get('location'), `/v2/${repository}/blobs/${digest}`)
  })

  test('without a source finds one that the caller may pull from', async () => {
    const digest = await registry.pushBlob('conform/source', 'mounted from anywhere')
    assert.equal((await registry.call('POST', `${uploads}?mount=${digest}`)).status, 201)
  })

  test('of what is not there opens an upload instead', async () => {
    const answer = await registry.call('POST', `${uploads}?mount=${digestOf('nowhere')}&from=conform/source`)
    assert.equal(answer.status, 202)
    assert.ok(answer.headers.get('location'))
  })

  test('pitfall 5: what the caller may not pull is answered like what is not there', async () => {
    const digest = await registry.pushBlob('conform/secret', 'a secret layer')
    const { body } = await registry.product.api('POST', '/api/v1/robots', {
      name: 'mounter',
      actions: ['pull', 'push'],
      repositories: 'conform/mounter',
    })
    const { loginName, secret } = body as { loginName: string; secret: string }
    const authorization = registry.product.basic(loginName, secret)
    const target = '/v2/conform/mounter/blobs/uploads/'
    for (const query of [
      `?mount=${digest}&from=conform/secret`,
      `?mount=${digest}`,
      `?mount=${digestOf('none')}&from=no/where`,
    ]) {
      assert.equal((await registry.call('POST', target + query, { authorization })).status, 202, query)
    }
    const read = await registry.call('GET', `/v2/conform/mounter/blobs/${digest}`, { authorization })
    assert.equal(read.status, 404)
    const there = await registry.call('GET', `/v2/conform/secret/blobs/${digest}`, { authorization })
    const nowhere = await registry.call('GET', `/v2/no/where/blobs/${digest}`, { authorization })
    assert.equal(there.status, nowhere.status)
  })
})

describe('pulling a blob', () => {
  const content = 'abcdefghijklmnopqrstuvwxyz'
  const ranges: readonly [
    header: string,
    status: number,
    body: string | null,
    contentRange: string | null,
  ][] = [
    ['bytes=0-3', 206, 'abcd', 'bytes 0-3/26'],
    ['bytes=23-', 206, 'xyz', 'bytes 23-25/26'],
    ['bytes=-2', 206, 'yz', 'bytes 24-25/26'],
    ['bytes=20-100', 206, 'uvwxyz', 'bytes 20-25/26'],
    ['bytes=26-', 416, null, 'bytes */26'],
    ['bytes=5-2', 200, content, null],
    ['lines=1-2', 200, content, null],
    ['bytes=0-1,4-5', 200, content, null],
  ]
  for (const [header, status, body, contentRange] of ranges) {
    test(`Range: ${header} answers ${status}`, async () => {
      const digest = await registry.pushBlob(repository, content)
      const answer = await registry.call('GET', `/v2/${repository}/blobs/${digest}`, {
        headers: { range: header },
      })
      assert.equal(answer.status, status)
      assert.equal(answer.headers.get('content-range'), contentRange)
      if (body !== null) assert.equal(await answer.text(), body)
    })
  }

  test('HEAD says what GET would, without a body', async () => {
    const digest = await registry.pushBlob(repository, content)
    const answer = await registry.call('HEAD', `/v2/${repository}/blobs/${digest}`)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-length'), '26')
    assert.equal(answer.headers.get('docker-content-digest'), digest)
  })

  test('pitfall 15: a digest of another algorithm, length or case is 400, never 500', async () => {
    const odd = [
      'sha256:zz',
      'md5:0123',
      `sha256:${'A'.repeat(64)}`,
      `sha512:${'a'.repeat(64)}`,
      'sha256:',
      ':',
      `sha256:..%2f`,
    ]
    for (const digest of odd) {
      const { status } = await registry.call('GET', `/v2/${repository}/blobs/${digest}`)
      assert.equal(status, 400, digest)
    }
  })

  test('pitfall 6: a deleted blob is gone at once', async () => {
    const digest = await registry.pushBlob(repository, 'to be deleted')
    const path = `/v2/${repository}/blobs/${digest}`
    assert.equal((await registry.call('GET', path)).status, 200)
    assert.equal((await registry.call('DELETE', path)).status, 202)
    assert.equal((await registry.call('GET', path)).status, 404)
    assert.equal((await registry.call('HEAD', path)).status, 404)
  })
})

test('a client whose token only covers the target can mount what its account may pull, and nothing else', async () => {
  const digest = await registry.pushBlob('conform/mount-source', 'mounted with a narrow token')
  const tokenFor = async (authorization: string): Promise<string> => {
    const url = `${registry.product.url}/token?service=pratique&scope=repository:${repository}:pull,push`
    const answer = await fetch(url, { headers: { authorization } })
    return `Bearer ${((await answer.json()) as { token: string }).token}`
  }
  const administrator = await tokenFor(registry.product.basic())
  const query = `?mount=${digest}&from=conform/mount-source`
  assert.equal((await registry.call('POST', uploads + query, { authorization: administrator })).status, 201)
  const { body } = await registry.product.api('POST', '/api/v1/robots', {
    name: 'narrow',
    actions: ['pull', 'push'],
    repositories: repository,
  })
  const { loginName, secret } = body as { loginName: string; secret: string }
  const robot = await tokenFor(registry.product.basic(loginName, secret))
  const other = await registry.pushBlob('conform/mount-source', 'not for the robot')
  const refused = await registry.call('POST', `${uploads}?mount=${other}&from=conform/mount-source`, {
    authorization: robot,
  })
  assert.equal(refused.status, 202)
})
