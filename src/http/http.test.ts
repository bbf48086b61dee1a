import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { Failure } from '../kernel/failure.ts'
import { buildServer } from './build-server.ts'
import { healthRoutes } from './health.ts'
import { httpFailures } from './render-failure.ts'

let app: FastifyInstance
let faults: string[] = []

before(async () => {
  app = buildServer({
    log: pino({ level: 'silent' }),
    failureStatuses: { ...httpFailures, TEAPOT: 418 },
    identifyCaller: async () => ({}),
  })
  healthRoutes(app, { findFaults: async () => faults })
  app.get('/api/refused', async () => {
    throw new Failure('TEAPOT', 'this is a teapot', { detail: { spout: 1 }, headers: { 'x-tea': 'green' } })
  })
  app.get('/v2/refused', async () => {
    throw new Failure('TEAPOT', 'this is a teapot')
  })
  app.get('/api/bug', async () => {
    throw new Error('a secret of ours')
  })
  app.post(
    '/api/json',
    { schema: { body: { type: 'object', properties: {}, additionalProperties: false } } },
    async () => ({}),
  )
  await app.ready()
})
after(() => app.close())

test('a failure is problem+json with its status, code, detail and headers', async () => {
  const answer = await app.inject('/api/refused')
  assert.equal(answer.statusCode, 418)
  assert.equal(answer.headers['content-type'], 'application/problem+json')
  assert.equal(answer.headers['x-tea'], 'green')
  const { code, detail, context } = answer.json<Record<string, unknown>>()
  assert.deepEqual(
    { code, detail, context },
    { code: 'TEAPOT', detail: 'this is a teapot', context: { spout: 1 } },
  )
})

test('below /v2/ it is the error body of the distribution specification', async () => {
  const answer = await app.inject('/v2/refused')
  assert.equal(answer.headers['content-type'], 'application/json')
  assert.deepEqual(answer.json(), { errors: [{ code: 'TEAPOT', message: 'this is a teapot', detail: null }] })
})

test('a bug is a bare 500 that names the request and tells nothing else', async () => {
  const answer = await app.inject('/api/bug')
  assert.equal(answer.statusCode, 500)
  assert.doesNotMatch(answer.body, /secret/)
})

const refused: readonly [name: string, body: string, status: number][] = [
  ['unknown fields', '{"x":1}', 400],
  ['what is no JSON', '{', 400],
  ['more than a megabyte', JSON.stringify({ x: 'x'.repeat(1_100_000) }), 413],
]
for (const [name, body, status] of refused) {
  test(`${name} in a body is ${status}, as problem+json`, async () => {
    const answer = await app.inject({
      method: 'POST',
      url: '/api/json',
      body,
      headers: { 'content-type': 'application/json' },
    })
    assert.equal(answer.statusCode, status)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
  })
}

test('what is not served is 404, and readiness follows what it needs', async () => {
  assert.equal((await app.inject('/nowhere')).statusCode, 404)
  assert.equal((await app.inject('/readyz')).statusCode, 200)
  faults = ['database: gone']
  assert.equal((await app.inject('/readyz')).statusCode, 503)
  assert.equal((await app.inject('/healthz')).statusCode, 200)
})
