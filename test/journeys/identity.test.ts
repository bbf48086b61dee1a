import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { startProduct, type Product, type Ran } from '../fixtures/start-product.ts'

let product: Product
before(async () => {
  product = await startProduct({ PRATIQUE_TRUSTED_PROXIES: '127.0.0.1' })
})
after(() => product.stop())

interface Robot {
  readonly id: string
  readonly loginName: string
  readonly secret: string
}

async function robot(name: string, actions: string[], repositories = '**'): Promise<Robot> {
  const { status, body } = await product.api('POST', '/api/v1/robots', { name, actions, repositories })
  assert.equal(status, 201)
  return body as Robot
}

async function tokenFor(name: string, secret: string, scope: string): Promise<string> {
  const answer = await fetch(`${product.url}/token?service=pratique&scope=${scope}`, {
    headers: { authorization: product.basic(name, secret) },
  })
  assert.equal(answer.status, 200)
  return ((await answer.json()) as { token: string }).token
}

function begin(
  repository: string,
  authorization: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${product.url}/v2/${repository}/blobs/uploads/`, {
    method: 'POST',
    headers: { authorization, ...headers },
  })
}

describe('pitfall 3: a token', () => {
  const claims = { name: 'admin', kind: 'user', limits: [{ actions: ['pull', 'push'] }] }

  async function forged(
    header: Record<string, unknown>,
    key: Parameters<SignJWT['sign']>[0],
  ): Promise<number> {
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', ...header })
      .setSubject('user:1')
      .setIssuer('pratique')
      .setAudience('pratique')
      .setIssuedAt()
      .setNotBefore('0s')
      .setExpirationTime('5m')
      .sign(key)
    return (await fetch(`${product.url}/v2/`, { headers: { authorization: `Bearer ${token}` } })).status
  }

  test('signed with another key under our key id, with its key embedded, is refused', async () => {
    const { keys } = (await (await fetch(`${product.url}/.well-known/jwks.json`)).json()) as {
      keys: { kid: string }[]
    }
    const { privateKey, publicKey } = await generateKeyPair('ES256')
    const kid = keys[0]?.kid
    assert.ok(kid)
    assert.equal(await forged({ kid }, privateKey), 401)
    assert.equal(await forged({ kid, jwk: await exportJWK(publicKey) }, privateKey), 401)
    assert.equal(await forged({ kid: 'unknown', jku: 'http://127.0.0.1/keys' }, privateKey), 401)
  })

  test('without a signature, or signed with our public key as a secret, is refused', async () => {
    const { keys } = (await (await fetch(`${product.url}/.well-known/jwks.json`)).json()) as {
      keys: { kid: string }[]
    }
    const kid = keys[0]?.kid
    const secret = new TextEncoder().encode(JSON.stringify(keys[0]))
    assert.equal(await forged({ alg: 'HS256', kid }, secret), 401)
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const bare = `${encode({ alg: 'none', typ: 'JWT', kid })}.${encode({ ...claims, sub: 'user:1', iss: 'pratique', aud: 'pratique' })}.`
    const answer = await fetch(`${product.url}/v2/`, { headers: { authorization: `Bearer ${bare}` } })
    assert.equal(answer.status, 401)
  })

  test('with anything that is no token gets a challenge, never a 500', async () => {
    for (const credential of [
      'Bearer x',
      'Bearer a.b.c',
      'Bearer ',
      'Basic !!!',
      'Basic',
      'Digest x',
      `Bearer ${'x'.repeat(20_000)}`,
    ]) {
      const answer = await fetch(`${product.url}/v2/`, { headers: { authorization: credential } })
      assert.equal(answer.status, 401, credential.slice(0, 20))
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer realm="/)
    }
  })
})

describe('pitfall 6: revocation takes effect at once', () => {
  test('for the secret and for tokens already given out, when a robot is disabled', async () => {
    const { id, loginName, secret } = await robot('revoked', ['push', 'pull'], 'dev/**')
    await product.api('POST', '/api/v1/projects', { name: 'dev' })
    const token = await tokenFor(loginName, secret, 'repository:dev/app:push,pull')
    assert.equal((await begin('dev/app', `Bearer ${token}`)).status, 202)
    assert.equal((await begin('dev/app', product.basic(loginName, secret))).status, 202)
    await product.api('PATCH', `/api/v1/robots/${id}`, { disabled: true })
    assert.equal((await begin('dev/app', `Bearer ${token}`)).status, 403)
    assert.equal((await begin('dev/app', product.basic(loginName, secret))).status, 401)
  })

  test('when a right is taken away', async () => {
    const { loginName, secret } = await robot('narrowed', ['push', 'pull'], 'dev/**')
    const token = await tokenFor(loginName, secret, 'repository:dev/app:push,pull')
    const { body } = await product.api('GET', '/api/v1/role-bindings')
    const mine = (body as { items: { id: string; principal: string }[] }).items.find(
      ({ principal }) => principal === loginName,
    )
    await product.api('DELETE', `/api/v1/role-bindings/${mine?.id}`)
    assert.equal((await begin('dev/app', `Bearer ${token}`)).status, 403)
  })

  test('when the secret is rotated: the old one works for the overlap only', async () => {
    const { id, loginName, secret } = await robot('rotated', ['pull'])
    const ping = async (word: string): Promise<number> =>
      (await fetch(`${product.url}/v2/`, { headers: { authorization: product.basic(loginName, word) } }))
        .status
    assert.equal(await ping(secret), 200)
    const overlapping = await product.api('POST', `/api/v1/robots/${id}/rotate`, { overlapMinutes: 5 })
    assert.equal(await ping(secret), 200)
    assert.equal(await ping((overlapping.body as Robot).secret), 200)
    await product.api('POST', `/api/v1/robots/${id}/rotate`, {})
    assert.equal(await ping(secret), 401)
  })
})

describe('pitfall 4: a token outlives its project', () => {
  test('and does not fit one of the same name', async () => {
    const { loginName, secret } = await robot('outlived', ['push', 'pull'], 'shortlived/**')
    await product.api('POST', '/api/v1/projects', { name: 'shortlived' })
    const token = await tokenFor(loginName, secret, 'repository:shortlived/app:push,pull')
    assert.equal((await begin('shortlived/app', `Bearer ${token}`)).status, 202)
    assert.equal((await product.api('DELETE', '/api/v1/projects/shortlived')).status, 204)
    await product.api('POST', '/api/v1/projects', { name: 'shortlived' })
    const answer = await begin('shortlived/app', `Bearer ${token}`)
    assert.ok(answer.status === 401 || answer.status === 403, `got ${answer.status}`)
  })
})

describe('the administrator of a project', () => {
  const password = 'quay-master-1'
  const run = (...args: string[]): Promise<Ran> => product.cli(args, { username: 'quay', password })
  const made = async (...args: string[]): Promise<void> => {
    const { code, stderr } = await product.cli(args)
    assert.equal(code, 0, stderr)
  }
  before(async () => {
    for (const name of ['quay', 'helper']) await product.api('POST', '/api/v1/users', { name, password })
    await made('project', 'add', 'docks')
    await made('project', 'add', 'yard')
    await made('grant', 'add', 'quay', 'admin', '--project', 'docks')
    await made('grant', 'add', 'quay', 'pull', '--project', 'yard')
    await made('rule', 'immutable', 'yard/**', '--tags', 'v*')
  })

  const refused: readonly [string, ...string[]][] = [
    ['project', 'add', 'third'],
    ['project', 'open', 'yard'],
    ['project', 'delete', 'docks'],
    ['grant', 'add', 'helper', 'push', '--project', 'yard'],
    ['grant', 'add', 'helper', 'push', '--repositories', 'docks/**'],
    ['rule', 'immutable', 'yard/**', '--tags', 'x*'],
    ['rule', 'immutable', '**', '--tags', 'x*'],
    ['user', 'list'],
    ['gc'],
  ]
  for (const args of refused) {
    test(`is refused: pratique ${args.join(' ')}`, async () => {
      const { code, stderr } = await run(...args)
      assert.notEqual(code, 0)
      assert.match(stderr, /this is for administrators/)
    })
  }

  test('gives rights in it, which hold there only, and takes them away', async () => {
    const explain = (repository: string): Promise<Ran> =>
      product.cli(['explain', 'helper', 'push', repository])
    assert.equal((await run('grant', 'add', 'helper', 'push', '--project', 'docks')).code, 0)
    assert.equal((await explain('docks/app')).code, 0)
    assert.equal((await explain('yard/app')).code, 1)
    const { stdout } = await run('--json', 'grant', 'list')
    const grants = JSON.parse(stdout) as { id: string; principal: string; project?: string }[]
    assert.deepEqual(new Set(grants.map(({ project }) => project)), new Set(['docks']))
    const theirs = grants.find(({ principal }) => principal === 'helper')
    assert.ok(theirs)
    assert.equal((await run('grant', 'remove', theirs.id)).code, 0)
    assert.equal((await explain('docks/app')).code, 1)
  })

  test('cannot take rights away that were given elsewhere, and is not told that they are there', async () => {
    const { body } = await product.api('GET', '/api/v1/role-bindings')
    const { items } = body as { items: { id: string; project?: string }[] }
    const foreign = items.find(({ project }) => project === 'yard')
    assert.ok(foreign)
    const answer = await fetch(`${product.url}/api/v1/role-bindings/${foreign.id}`, {
      method: 'DELETE',
      headers: { authorization: product.basic('quay', password) },
    })
    assert.equal(answer.status, 404)
  })

  test('opens it to everyone and fixes its tags, and sees no other project and no other rule', async () => {
    assert.equal((await run('project', 'open', 'docks')).code, 0)
    const projects = JSON.parse((await run('--json', 'project', 'list')).stdout) as { name: string }[]
    assert.deepEqual(
      projects.map(({ name }) => name),
      ['docks'],
    )
    assert.equal((await run('rule', 'immutable', 'docks/**', '--tags', 'v*')).code, 0)
    const rules = JSON.parse((await run('--json', 'rule', 'list')).stdout) as { repositories: string }[]
    assert.deepEqual(
      rules.map(({ repositories }) => repositories),
      ['docks/**'],
    )
  })
})

describe('network rules', () => {
  test('pitfall 20: a token from an allowed network is refused from another one, and the message names the rule', async () => {
    const { loginName, secret } = await robot('builder', ['push', 'pull'], 'built/**')
    await product.api('POST', '/api/v1/projects', { name: 'built' })
    await product.api('POST', '/api/v1/network-rules', {
      effect: 'deny',
      comment: 'only the build nodes push',
      condition: { actions: ['push'], repositories: ['built/**'], notFrom: ['10.1.0.0/16'] },
    })
    const build = { 'x-forwarded-for': '10.1.0.7' }
    const scope = 'repository:built/app:push,pull'
    const answer = await fetch(`${product.url}/token?service=pratique&scope=${scope}`, {
      headers: { authorization: product.basic(loginName, secret), ...build },
    })
    const { token } = (await answer.json()) as { token: string }
    assert.equal((await begin('built/app', `Bearer ${token}`, build)).status, 202)
    const refused = await begin('built/app', `Bearer ${token}`, { 'x-forwarded-for': '10.9.0.7' })
    assert.equal(refused.status, 403)
    assert.match(await refused.text(), /only the build nodes push/)
    const spoofed = await begin('built/app', `Bearer ${token}`, { 'x-forwarded-for': '10.1.0.7, 10.9.0.7' })
    assert.equal(spoofed.status, 403)
  })
})

describe('the API', () => {
  test('pitfall 11: fields that a caller may not set are refused, not ignored', async () => {
    const made = await product.api('POST', '/api/v1/users', { name: 'carol', password: 'carol-password' })
    assert.equal(made.status, 201)
    const carol = {
      authorization: product.basic('carol', 'carol-password'),
      'content-type': 'application/json',
    }
    const body = JSON.stringify({
      current: 'carol-password',
      password: 'carol-password-2',
      administrator: true,
    })
    const refused = await fetch(`${product.url}/api/v1/users/me/password`, {
      method: 'PUT',
      headers: carol,
      body,
    })
    assert.equal(refused.status, 400)
    assert.equal(refused.headers.get('content-type'), 'application/problem+json')
  })

  test('pitfall 10: what belongs to another account cannot be reached by its id', async () => {
    await product.api('POST', '/api/v1/users', { name: 'dave', password: 'dave-password' })
    const dave = { authorization: product.basic('dave', 'dave-password'), 'content-type': 'application/json' }
    const token = await fetch(`${product.url}/api/v1/tokens`, {
      method: 'POST',
      headers: dave,
      body: '{"name":"mine"}',
    })
    const { id } = (await token.json()) as { id: string }
    await product.api('POST', '/api/v1/users', { name: 'erin', password: 'erin-password' })
    const erin = { authorization: product.basic('erin', 'erin-password') }
    const taken = await fetch(`${product.url}/api/v1/tokens/${id}`, { method: 'DELETE', headers: erin })
    assert.equal(taken.status, 404)
    const paths: readonly [string, string][] = [
      ['GET', '/api/v1/users'],
      ['GET', '/api/v1/robots'],
      ['GET', '/api/v1/audit'],
      ['GET', '/api/v1/role-bindings'],
      ['POST', '/api/v1/gc'],
      ['PUT', '/api/v1/policy'],
      ['GET', '/metrics'],
    ]
    for (const [method, path] of paths) {
      const body =
        method === 'GET'
          ? {}
          : { body: '{"document":"x"}', headers: { ...erin, 'content-type': 'application/json' } }
      const answer = await fetch(product.url + path, { method, headers: erin, ...body })
      assert.ok(answer.status === 403 || answer.status === 400, `${method} ${path}: ${answer.status}`)
    }
  })

  test('pitfall 12: unknown names and wrong passwords are answered alike', async () => {
    const answers = await Promise.all(
      ['admin', 'nobody-at-all', "admin' or 1=1 --", 'robot$none'].map(async (name) => {
        const answer = await fetch(`${product.url}/v2/`, {
          headers: { authorization: product.basic(name, 'wrong') },
        })
        return { status: answer.status, body: await answer.text() }
      }),
    )
    assert.equal(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1)
  })

  test('pitfall 12: guessing is slowed down, and audited', async () => {
    let status = 401
    for (let attempt = 0; attempt < 8 && status === 401; attempt++) {
      const answer = await fetch(`${product.url}/v2/`, {
        headers: { authorization: product.basic('guessed', `wrong-${attempt}`) },
      })
      status = answer.status
    }
    assert.equal(status, 429)
    const { body } = await product.api('GET', '/api/v1/audit?action=login.failed&object=guessed')
    assert.ok((body as { items: unknown[] }).items.length >= 5)
  })

  test('a narrow personal token cannot make a wider one', async () => {
    const headers = {
      authorization: product.basic('dave', 'dave-password'),
      'content-type': 'application/json',
    }
    const narrow = await fetch(`${product.url}/api/v1/tokens`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ name: 'narrow', actions: ['pull'] }),
    })
    const { secret } = (await narrow.json()) as { secret: string }
    const wider = await fetch(`${product.url}/api/v1/tokens`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'wide', actions: ['pull', 'push'] }),
    })
    assert.deepEqual(((await wider.json()) as { actions: string[] }).actions, ['pull'])
  })

  test('is described in OpenAPI 3.1, each operation with an id of its own', async () => {
    const document = (await (await fetch(`${product.url}/api/v1/openapi.json`)).json()) as {
      openapi: string
      paths: Record<string, Record<string, { operationId?: string }>>
    }
    assert.match(document.openapi, /^3\.1/)
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    )
    assert.ok(ids.length > 40)
    assert.ok(ids.every((id) => id !== undefined))
    assert.equal(new Set(ids).size, ids.length)
  })
})
