import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { Webhook } from 'standardwebhooks'
import type { DeliveryBody, SubscriptionBody, SubscriptionWithSecret } from '../../src/notifications/wire.ts'
import { buildImage } from '../fixtures/build-image.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { startProduct, type Product } from '../fixtures/start-product.ts'

interface Received {
  readonly headers: Record<string, string>
  readonly body: string
}

interface CloudEvent {
  readonly id: string
  readonly type: string
  readonly source: string
  readonly subject: string
  readonly data: { readonly tags: string[]; readonly state: string; readonly repository: string }
}

let product: Product
let walled: Product
const received: Received[] = []
let status = 200
let address = ''
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    received.push({
      headers: request.headers as Record<string, string>,
      body: Buffer.concat(chunks).toString(),
    })
    response.writeHead(status).end()
  })
})

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const settings = { PRATIQUE_PULL_WAIT_MS: '300', PRATIQUE_PUBLIC_URL: 'https://registry.example.com' }
  product = await startProduct({ ...settings, PRATIQUE_NOTIFICATION_NETWORKS: '127.0.0.0/8' })
  walled = await startProduct(settings)
})

after(async () => {
  server.close()
  await Promise.all([product.stop(), walled.stop()])
})

test('a quarantined image sends a CloudEvent that its receiver can verify', async () => {
  const { secret = '' } = await subscribe(
    product,
    'ops',
    '--repositories',
    'dev/shop',
    '--events',
    'image.quarantined',
  )
  const digest = await pushAndQuarantine(product, 'dev/shop')
  const { headers, body } = await nextReceived(({ body }) => body.includes('image.quarantined'))
  const event = new Webhook(secret).verify(body, headers) as CloudEvent
  assert.equal(headers['content-type'], 'application/cloudevents+json')
  assert.equal(event.id, headers['webhook-id'])
  assert.equal(event.type, 'io.pratique.image.quarantined.v1')
  assert.equal(event.source, 'https://registry.example.com')
  assert.equal(event.subject, `dev/shop@${digest}`)
  assert.deepEqual(event.data.tags, ['1'])
  assert.match(body, /found a backdoor/)
  await until(async () => (await deliveries(product)).every(({ state }) => state === 'delivered'))
  assert.equal((await deliveries(product)).length, 1, 'it was cleared before, which nobody asked to be told')
})

test('after a rotation the old secret and the new one verify, without an overlap only the new one', async () => {
  const before = (await subscribe(product, 'rotating', '--repositories', 'nowhere')).secret ?? ''
  const rotate = async (minutes: string): Promise<string> => {
    const command = ['--json', 'notification', 'rotate', 'rotating', '--overlap-minutes', minutes]
    return (JSON.parse(await runs(product, ...command)) as SubscriptionWithSecret).secret ?? ''
  }
  const during = await rotate('10')
  await runs(product, 'notification', 'test', 'rotating')
  for (const secret of [before, during]) assert.ok(verifies(secret, received.at(-1)))
  const last = await rotate('0')
  await runs(product, 'notification', 'test', 'rotating')
  assert.deepEqual(
    [before, during, last].map((secret) => verifies(secret, received.at(-1))),
    [false, false, true],
  )
})

test('pitfall 13: without the setting nothing reaches a private address, and the delivery says why', async () => {
  const count = received.length
  await subscribe(walled, 'ops', '--events', 'image.*')
  await pushAndQuarantine(walled, 'dev/shop')
  await until(async () => (await deliveries(walled)).some(({ attempts }) => attempts > 0))
  const tried = (await deliveries(walled, '--state', 'waiting')).find(({ attempts }) => attempts > 0)
  assert.match(tried?.status ?? '', /127\.0\.0\.1, which is not public; the setting notificationNetworks can/)
  const byHand = await walled.cli(['notification', 'test', 'ops'])
  assert.equal(byHand.code, 2)
  assert.match(byHand.stdout.replaceAll(/\s+/g, ' '), /^failed: not sent: .*not public/)
  assert.equal(received.length, count)
})

test('pitfall 22: what a receiver did not take before kill -9 it gets after it', async () => {
  await subscribe(product, 'patient', '--repositories', 'dev/later', '--events', 'image.quarantined')
  status = 500
  await pushAndQuarantine(product, 'dev/later')
  const isNoted = async (): Promise<boolean> =>
    (await deliveries(product, 'patient'))[0]?.status === 'answered 500 Internal Server Error'
  await until(isNoted)
  await product.restart('SIGKILL')
  status = 200
  const before = received.length
  await until(async () => received.slice(before).some(({ body }) => body.includes('dev/later')))
})

test('a disabled subscription is told nothing, a removed one is gone with its deliveries', async () => {
  await subscribe(product, 'quiet', '--repositories', 'quiet/**', '--events', 'image.*')
  await runs(product, 'notification', 'disable', 'quiet')
  assert.match(await runs(product, 'notification', 'list'), /quiet +cloudevents +disabled/)
  await pushAndQuarantine(product, 'quiet/shop')
  assert.deepEqual(await deliveries(product, 'quiet'), [])
  await runs(product, 'notification', 'enable', 'quiet')
  await runs(product, 'release', 'quiet/shop:1', '--reason', 'a false alarm')
  await nextReceived(({ body }) => body.includes('image.cleared') && body.includes('quiet/shop'))
  await runs(product, 'notification', 'remove', 'quiet')
  assert.doesNotMatch(JSON.stringify(await deliveries(product)), /quiet/)
})

test('the format of Slack is a message with blocks and is not signed', async () => {
  await subscribe(product, 'chat', '--slack')
  await runs(product, 'notification', 'test', 'chat')
  const { body, headers } = received.at(-1) as Received
  const { text, blocks } = JSON.parse(body) as { text: string; blocks: unknown[] }
  assert.match(text, /admin tests the subscription chat/)
  assert.equal(blocks.length, 2)
  assert.equal(headers['webhook-signature'], undefined)
})

test('pitfall 14: no secret is shown twice, in the list or in the audit log', async () => {
  const made = await subscribe(product, 'secretive', '--slack')
  assert.equal(made.target, `${address}/…`)
  const { body: list } = await product.api('GET', '/api/v1/notifications')
  const { body: audit } = await product.api('GET', '/api/v1/audit?n=200')
  assert.match(JSON.stringify(audit), /notification\.create/)
  assert.doesNotMatch(JSON.stringify([list, audit]), /whsec_|hidden-token/)
})

test('pitfall 10: subscriptions are for administrators', async () => {
  const { body } = await product.api('GET', '/api/v1/notifications')
  const id = (body as { items: SubscriptionBody[] }).items[0]?.id ?? ''
  await product.api('POST', '/api/v1/users', { name: 'alice', password: 'alice-password' })
  for (const [authorization, expected] of [
    [product.basic('alice', 'alice-password'), 403],
    [undefined, 401],
  ] as const) {
    for (const [method, path, sent] of [
      ['GET', '', undefined],
      ['POST', '', { name: 'x', kind: 'slack', url: 'https://example.com', eventTypes: ['*'] }],
      ['GET', '/deliveries', undefined],
      ['PATCH', `/${id}`, { enabled: false }],
      ['POST', `/${id}/test`, undefined],
      ['POST', `/${id}/rotate`, {}],
      ['DELETE', `/${id}`, undefined],
    ] as const) {
      const answer = await fetch(`${product.url}/api/v1/notifications${path}`, {
        method,
        headers: {
          ...(authorization === undefined ? {} : { authorization }),
          ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
      })
      assert.equal(answer.status, expected, `${method} ${path}`)
    }
  }
})

const good = { name: 'good', kind: 'cloudevents', url: 'https://example.com/', eventTypes: ['*'] }
const mistakes: readonly [name: string, change: object, message: RegExp][] = [
  ['an unknown event', { eventTypes: ['image.quarantine'] }, /did you mean image\.quarantined\?/],
  ['a repository pattern that is none', { repositories: 'Dev/' }, /repository pattern/],
  ['user information', { url: 'https://a:b@example.com/' }, /user information/],
  ['a decimal host', { url: 'https://2130706433/' }, /127\.0\.0\.1/],
  ['another protocol', { url: 'file:///etc/passwd' }, /https:\/\//],
  ['no target', { url: undefined }, /one url/],
  ['e-mail without a mail server', { kind: 'email', url: undefined, addresses: ['a@b.c'] }, /smtpHost/],
  ['a field that is not known', { secret: 'mine' }, /additional properties/],
  ['a name with a slash', { name: '../x' }, /name/],
]
for (const [name, change, message] of mistakes) {
  test(`pitfall 11: a subscription is refused with ${name}`, async () => {
    const { status, body } = await product.api('POST', '/api/v1/notifications', { ...good, ...change })
    assert.equal(status, 400, JSON.stringify(body))
    assert.match((body as { detail: string }).detail, message)
  })
}

async function subscribe(at: Product, name: string, ...options: string[]): Promise<SubscriptionWithSecret> {
  const kind = options[0] === '--slack' ? ['--slack'] : ['--webhook']
  const url = `${address}/hook?token=hidden-token`
  const rest = options.filter((option) => option !== '--slack')
  return JSON.parse(
    await runs(at, '--json', 'notification', 'add', name, ...kind, url, ...rest),
  ) as SubscriptionWithSecret
}

/** Gives the digest. */
async function pushAndQuarantine(at: Product, repository: string): Promise<string> {
  const image = await buildImage({ layers: [{ 'app.txt': repository }] })
  await pushImage({ url: at.url, authorization: at.basic() }, repository, '1', image)
  const verdict = `/api/v1/verdict?image=${encodeURIComponent(`${repository}:1`)}`
  await until(async () => ((await at.api('GET', verdict)).body as { state: string }).state === 'cleared')
  await runs(at, 'quarantine', `${repository}:1`, '--reason', 'found a backdoor')
  return image.digest
}

async function runs(at: Product, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await at.cli(args)
  assert.equal(code, 0, `pratique ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

async function deliveries(at: Product, ...options: string[]): Promise<DeliveryBody[]> {
  return JSON.parse(await runs(at, '--json', 'notification', 'deliveries', ...options)) as DeliveryBody[]
}

function verifies(secret: string, message: Received | undefined): boolean {
  try {
    return message !== undefined && new Webhook(secret).verify(message.body, message.headers) !== undefined
  } catch {
    return false
  }
}

async function nextReceived(fits: (one: Received) => boolean): Promise<Received> {
  await until(async () => received.some(fits))
  return received.find(fits) as Received
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.fail('it did not become so within 20 s')
}
