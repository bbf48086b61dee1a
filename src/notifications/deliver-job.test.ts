import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { pino } from 'pino'
import { openDatabase } from '../database/index.ts'
import { JobRunner, type RunningJob } from '../jobs/index.ts'
import { deliverJob, retryPausesMs } from './deliver-job.ts'
import { insertSubscription, makeSubscription } from './make-subscription.ts'
import { deliverJobKind, notify } from './notify.ts'
import { parseNetworks } from './outgoing/guard-address.ts'
import { giveUpAfterMs, keepDeliveriesMs, tendNotificationsJob } from './tend-job.ts'
import type { NotificationEvent, NotificationParts } from './types.ts'
import type { NewSubscription } from './wire.ts'

const stops: (() => void)[] = []
after(() => stops.forEach((stop) => stop()))

async function setUp() {
  const database = await openDatabase(':memory:')
  let time = Date.UTC(2026, 0, 1)
  const clock = { now: () => time }
  const receiver = await startReceiver()
  const networks = parseNetworks(['127.0.0.0/8'])
  const parts: NotificationParts = { database, clock, networks, source: 'urn:test', mail: undefined }
  const handlers = { [deliverJobKind]: (job: RunningJob) => deliverJob(parts, job) }
  const log = pino({ level: 'silent' })
  const runner = new JobRunner({ database, clock, log, handlers, concurrency: 2 })
  const subscribe = async (change: Partial<NewSubscription> = {}): Promise<string> => {
    const kind = 'cloudevents' as const
    const asked = { name: 'ops', kind, url: receiver.url, eventTypes: ['*'], ...change }
    const row = makeSubscription(parts, asked, 'admin')
    await database.transaction().execute((transaction) => insertSubscription(transaction, row))
    return row.id
  }
  const tell = (change: Partial<NotificationEvent> = {}): Promise<void> =>
    database.transaction().execute((transaction) => notify(transaction, { ...event, at: time, ...change }))
  const deliveries = () => database.selectFrom('notification_delivery').selectAll().execute()
  /** Lets the time pass until the next job is due. */
  const passToNext = async (): Promise<boolean> => {
    const next = await database.selectFrom('job').select('run_after').where('state', '=', 'waiting').execute()
    if (next.length === 0) return false
    time = Math.max(time, Math.min(...next.map((job) => job.run_after)))
    await runner.idle()
    return true
  }
  const pass = (ms: number): void => void (time += ms)
  return { database, parts, runner, receiver, subscribe, tell, deliveries, pass, passToNext, clock }
}

async function startReceiver() {
  const receiver = { url: '', ids: [] as string[], status: 200 }
  const server = createServer((request, response) => {
    request.resume()
    receiver.ids.push(String(request.headers['webhook-id']))
    response.writeHead(receiver.status).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stops.push(() => server.close())
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return receiver
}

const event: NotificationEvent = {
  id: 'event-1',
  type: 'image.quarantined',
  at: 0,
  repository: 'prod/shop',
  severity: 'high',
  summary: 'prod/shop:1 is quarantined',
}

test('an event is delivered once to each subscription that wants it, however often it is told', async () => {
  const { runner, receiver, subscribe, tell, deliveries } = await setUp()
  await subscribe({ name: 'one' })
  await subscribe({ name: 'two' })
  await tell()
  await tell()
  await runner.idle()
  await tell()
  await runner.idle()
  assert.deepEqual(receiver.ids, ['event-1', 'event-1'])
  assert.deepEqual(
    (await deliveries()).map(({ state, status }) => [state, status]),
    [
      ['delivered', 'answered 200 OK'],
      ['delivered', 'answered 200 OK'],
    ],
  )
})

test('nothing is told of what was rolled back', async () => {
  const { database, runner, receiver, subscribe, deliveries } = await setUp()
  await subscribe()
  const rolledBack = database.transaction().execute(async (transaction) => {
    await notify(transaction, event)
    throw new Error('it did not happen')
  })
  await assert.rejects(rolledBack, /it did not happen/)
  await runner.idle()
  assert.deepEqual([receiver.ids, await deliveries()], [[], []])
  assert.deepEqual(await database.selectFrom('job').selectAll().execute(), [])
})

const wanted: readonly [name: string, Partial<NewSubscription>, Partial<NotificationEvent>, boolean][] = [
  ['a pattern over types', { eventTypes: ['image.*'] }, {}, true],
  ['another type', { eventTypes: ['image.cleared'] }, {}, false],
  ['another repository', { repositories: 'dev/**' }, {}, false],
  ['its repository', { repositories: 'prod/*' }, {}, true],
  ['an event without a repository', { repositories: 'dev/**' }, { repository: undefined }, true],
  ['a severity below', { minimumSeverity: 'critical' }, {}, false],
  ['its severity', { minimumSeverity: 'high' }, {}, true],
  ['a severity above', { minimumSeverity: 'low' }, {}, true],
  ['an event without a severity', { minimumSeverity: 'critical' }, { severity: undefined }, true],
]
for (const [name, subscription, change, isTold] of wanted) {
  test(`a subscription is ${isTold ? '' : 'not '}told of ${name}`, async () => {
    const { subscribe, tell, deliveries } = await setUp()
    await subscribe(subscription)
    await tell(change)
    assert.equal((await deliveries()).length, isTold ? 1 : 0)
  })
}

test('a receiver that is down is tried again with growing pauses, then given up, and the delivery says so', async () => {
  const { runner, receiver, subscribe, tell, deliveries, passToNext, clock } = await setUp()
  await subscribe()
  receiver.status = 503
  await tell()
  await runner.idle()
  const times = [clock.now()]
  while (await passToNext()) times.push(clock.now())
  assert.equal(receiver.ids.length, retryPausesMs.length + 1)
  const pauses = times.slice(1).map((time, index) => time - (times[index] as number))
  for (const [index, least] of retryPausesMs.entries()) assert.ok((pauses[index] as number) >= least)
  const [delivery] = await deliveries()
  assert.equal(delivery?.state, 'failed')
  assert.equal(delivery?.status, 'given up after 9 attempts: answered 503 Service Unavailable')
})

test('a receiver that comes back gets everything, and what comes later does not wait for an old retry', async () => {
  const { runner, receiver, subscribe, tell, deliveries, passToNext } = await setUp()
  await subscribe()
  receiver.status = 500
  for (let count = 0; count < 45; count++) await tell({ id: `event-${count}` })
  await runner.idle()
  assert.equal(receiver.ids.length, 1, 'after the first failure the receiver is left alone')
  await tell({ id: 'meanwhile' })
  await runner.idle()
  assert.equal(receiver.ids.length, 1, 'also by what happens meanwhile')
  receiver.status = 200
  await passToNext()
  assert.equal((await deliveries()).filter(({ state }) => state === 'delivered').length, 46)
  await tell({ id: 'later' })
  await runner.idle()
  assert.equal(receiver.ids.at(-1), 'later')
})

test('pitfall 22: a process that dies while it delivers leaves an event that is delivered again', async () => {
  const { database, parts, runner, receiver, subscribe, tell, deliveries, passToNext } = await setUp()
  const id = await subscribe()
  await tell()
  // The process sends, and is gone before it can write down that it did.
  const dying = {
    now: () => {
      if (receiver.ids.length > 0) throw new Error('killed')
      return parts.clock.now()
    },
  }
  const job = { kind: deliverJobKind, payload: { subscriptionId: id } } as unknown as RunningJob
  const { signal } = new AbortController()
  await assert.rejects(deliverJob({ ...parts, clock: dying }, { ...job, signal }), /killed/)
  assert.deepEqual(receiver.ids, ['event-1'])
  assert.equal((await deliveries())[0]?.state, 'waiting')
  await database.updateTable('job').set({ state: 'waiting' }).execute()
  await runner.idle()
  while (await passToNext());
  assert.deepEqual(receiver.ids, ['event-1', 'event-1'])
  assert.equal((await deliveries())[0]?.state, 'delivered')
})

test('the same delivery worked on twice at once is sent once', async () => {
  const { parts, receiver, subscribe, tell } = await setUp()
  const id = await subscribe()
  await tell()
  const { signal } = new AbortController()
  const job = { kind: deliverJobKind, payload: { subscriptionId: id }, signal } as unknown as RunningJob
  await Promise.all([deliverJob(parts, job), deliverJob(parts, job)])
  assert.deepEqual(receiver.ids, ['event-1'])
})

test('a disabled subscription is told nothing, and a deleted one leaves nothing behind', async () => {
  const { database, runner, receiver, subscribe, tell, deliveries } = await setUp()
  await subscribe()
  await tell()
  await database.updateTable('notification_subscription').set({ enabled: 0 }).execute()
  await tell({ id: 'event-2' })
  await runner.idle()
  assert.deepEqual(receiver.ids, [])
  assert.equal((await deliveries()).length, 1)
  await database.deleteFrom('notification_subscription').execute()
  assert.deepEqual(await deliveries(), [])
})

test('data that is too large is left out, and long text is cut', async () => {
  const { subscribe, tell, deliveries } = await setUp()
  await subscribe()
  const long = 'x'.repeat(100_000)
  await tell({ id: long, summary: long, subject: long, data: { long } })
  const [delivery] = await deliveries()
  assert.ok((delivery?.event.length ?? Infinity) < 4_000)
  assert.deepEqual((JSON.parse(delivery?.event ?? '') as NotificationEvent).data, { truncated: true })
})

test('what waited three days is given up, what is older than thirty is gone, and a lost job is made again', async () => {
  const { database, parts, runner, receiver, subscribe, tell, deliveries, pass } = await setUp()
  await subscribe()
  await tell()
  await database.deleteFrom('job').execute()
  pass(3_600_000)
  await tendNotificationsJob(parts)
  await runner.idle()
  assert.deepEqual(receiver.ids, ['event-1'])
  await tell({ id: 'event-2' })
  await database.deleteFrom('job').execute()
  pass(giveUpAfterMs + 1)
  await tendNotificationsJob(parts)
  const late = (await deliveries()).find((delivery) => delivery.event_id === 'event-2')
  assert.deepEqual([late?.state, late?.status], ['failed', 'given up after 3 days. '])
  pass(keepDeliveriesMs)
  await tendNotificationsJob(parts)
  assert.deepEqual(await deliveries(), [])
})
