import assert from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { parseNetworks } from './guard-address.ts'
import { postMessage, type OutgoingParts } from './post-message.ts'

const loopback = parseNetworks(['127.0.0.0/8'])
const stops: (() => void)[] = []
after(() => stops.forEach((stop) => stop()))

interface Receiver {
  readonly port: number
  readonly received: { url: string; headers: IncomingHttpHeaders; body: string }[]
}

async function startReceiver(answer: RequestListener = (_, response) => response.end()): Promise<Receiver> {
  const received: Receiver['received'] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      received.push({ url: request.url ?? '', headers: request.headers, body })
      answer(request, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stops.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, received }
}

const signal = new AbortController().signal
const post = (parts: OutgoingParts, url: string) =>
  postMessage(parts, { url: new URL(url), headers: { 'content-type': 'text/plain' }, body: 'hällo' }, signal)

test('a message arrives as it was given where the network is allowed', async () => {
  const { port, received } = await startReceiver()
  const attempt = await post({ networks: loopback }, `http://127.0.0.1:${port}/hook?a=1`)
  assert.deepEqual(attempt, { isDelivered: true, status: 'answered 200 OK' })
  assert.equal(received[0]?.url, '/hook?a=1')
  assert.equal(received[0]?.body, 'hällo')
  assert.equal(received[0]?.headers['content-type'], 'text/plain')
})

for (const host of ['127.0.0.1', 'localhost', '[::ffff:7f00:1]', '[::1]', '169.254.169.254', '10.0.0.1']) {
  test(`pitfall 13: without the setting nothing is sent to ${host}`, async () => {
    const { port, received } = await startReceiver()
    const attempt = await post({ networks: [] }, `http://${host}:${port}/`)
    assert.equal(attempt.isDelivered, false)
    assert.match(attempt.status, /^not sent: .*not public; the setting notificationNetworks can allow it$/)
    assert.equal(received.length, 0)
  })
}

test('pitfall 13: one hidden address among those of a name is enough to send nothing', async () => {
  const { port, received } = await startReceiver()
  for (const addresses of [
    ['93.184.216.34', '127.0.0.1'],
    ['127.0.0.1', '93.184.216.34'],
    ['93.184.216.34', '::ffff:127.0.0.1'],
  ]) {
    const attempt = await post({ networks: [], resolve: async () => addresses }, `https://a.test:${port}/`)
    assert.match(attempt.status, /^not sent/)
  }
  assert.equal(received.length, 0)
})

test('pitfall 13: a name that means something else a moment later is asked for once, and what was checked is used', async () => {
  const { port, received } = await startReceiver()
  const answers = [['127.0.0.1'], ['127.0.0.2'], ['169.254.169.254']]
  let asked = 0
  const resolve = async (): Promise<string[]> => answers[asked++] ?? []
  const attempt = await post({ networks: loopback, resolve }, `http://rebinding.test:${port}/`)
  assert.equal(attempt.isDelivered, true, attempt.status)
  assert.equal(asked, 1)
  assert.equal(received[0]?.headers.host, `rebinding.test:${port}`)
})

test('plain http goes to allowed networks only', async () => {
  const resolve = async (): Promise<string[]> => ['93.184.216.34']
  const attempt = await post({ networks: loopback, resolve }, 'http://public.test/')
  assert.match(attempt.status, /^not sent: it needs https/)
})

test('pitfall 13: a redirect is not followed', async () => {
  const inner = await startReceiver()
  const outer = await startReceiver((_, response) => {
    response.writeHead(307, { location: `http://127.0.0.1:${inner.port}/` }).end()
  })
  const attempt = await post({ networks: loopback }, `http://127.0.0.1:${outer.port}/`)
  assert.deepEqual(attempt, {
    isDelivered: false,
    status: 'answered 307 Temporary Redirect; redirects are not followed',
  })
  assert.equal(inner.received.length, 0)
})

test('pitfall 13: of an answer neither body nor reason is told', async () => {
  const { port } = await startReceiver((_, response) => {
    response.writeHead(500, 'the root password is').end('harbour'.repeat(100))
  })
  const attempt = await post({ networks: loopback }, `http://127.0.0.1:${port}/`)
  assert.deepEqual(attempt, { isDelivered: false, status: 'answered 500 Internal Server Error' })
})

test('an answer without an end is cut off', async () => {
  const { port } = await startReceiver((_, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(16_384)));
    }
    response.on('drain', more)
    more()
  })
  const attempt = await post({ networks: loopback }, `http://127.0.0.1:${port}/`)
  assert.equal(attempt.isDelivered, true)
})

test('a receiver that does not answer, and a resolver that does not, are not waited for', async () => {
  const { port } = await startReceiver(() => {})
  const parts = { networks: loopback, timeoutMs: 100 }
  const silent = { isDelivered: false, status: 'no answer in time' }
  assert.deepEqual(await post(parts, `http://127.0.0.1:${port}/`), silent)
  const resolve = (): Promise<string[]> => new Promise(() => {})
  assert.deepEqual(await post({ ...parts, resolve }, `http://a.test:${port}/`), silent)
})

test('nobody there is a failure with a reason', async () => {
  const attempt = await post({ networks: loopback }, 'http://127.0.0.1:1/')
  assert.match(attempt.status, /ECONNREFUSED/)
})

test('what cannot be resolved, or to too much, is a failure with a reason', async () => {
  const many = Array.from({ length: 17 }, (_, index) => `127.0.0.${index + 1}`)
  const fails = async (): Promise<string[]> =>
    Promise.reject(new Error(`no\u001b[2Jsuch name ${'x'.repeat(500)}`))
  for (const [resolve, why] of [
    [async () => [], /has no address/],
    [async () => many, /more than 16 addresses/],
    [fails, /^no \[2Jsuch name x+$/],
  ] as const) {
    const { status } = await post({ networks: loopback, resolve }, 'http://a.test/')
    assert.match(status, why)
    assert.ok(status.length <= 200)
  }
})
