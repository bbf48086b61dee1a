import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { openDatabase } from '../database/index.ts'
import { enqueueJob } from './enqueue-job.ts'
import { JobRunner, type JobHandler } from './job-runner.ts'

const log = pino({ level: 'silent' })

async function setUp(handler: JobHandler, options: { maximumAttempts?: number } = {}) {
  const database = await openDatabase(':memory:')
  let time = 1_000
  const clock = { now: () => time }
  const runner = new JobRunner({
    database,
    clock,
    log,
    handlers: { work: handler },
    concurrency: 2,
    ...options,
  })
  const enqueue = (key: string): Promise<void> =>
    enqueueJob(database, { kind: 'work', dedupeKey: key, payload: { key }, now: time })
  const states = async (): Promise<string[]> =>
    (await database.selectFrom('job').select('state').orderBy('created_at').execute()).map((job) => job.state)
  return { database, runner, enqueue, states, pass: (ms: number) => (time += ms) }
}

test('a job is done once and is then done', async () => {
  const done: unknown[] = []
  const { runner, enqueue, states } = await setUp(async (job) => void done.push(job.payload))
  await enqueue('a')
  await runner.idle()
  assert.deepEqual(done, [{ key: 'a' }])
  assert.deepEqual(await states(), ['done'])
})

test('a key that waits already is not queued again, one that runs is', async () => {
  const gate = Promise.withResolvers<void>()
  let runs = 0
  const { runner, enqueue, states } = await setUp(async () => {
    runs++
    await gate.promise
  })
  await enqueue('a')
  await enqueue('a')
  assert.deepEqual(await states(), ['waiting'])
  runner.wake()
  while (runs === 0) await new Promise((resolve) => setTimeout(resolve, 2))
  await enqueue('a')
  gate.resolve()
  await runner.idle()
  assert.equal(runs, 2)
})

test('a failing job is tried again later, then given up with its error', async () => {
  let tries = 0
  const { database, runner, enqueue, states, pass } = await setUp(
    async () => {
      tries++
      throw new Error('no luck')
    },
    { maximumAttempts: 3 },
  )
  await enqueue('a')
  await runner.idle()
  assert.equal(tries, 1)
  assert.deepEqual(await states(), ['waiting'])
  for (let round = 0; round < 3; round++) {
    pass(100_000)
    await runner.idle()
  }
  assert.equal(tries, 3)
  const job = await database.selectFrom('job').selectAll().executeTakeFirstOrThrow()
  assert.equal(job.state, 'failed')
  assert.equal(job.error, 'no luck')
})

test('pitfall 22: a job whose process died is done by the next one', async () => {
  const { database, runner, enqueue, states, pass } = await setUp(async () => {})
  await enqueue('a')
  const dead = { state: 'running' as const, attempts: 1, leased_until: 2_000, lease_token: 'gone' }
  await database.updateTable('job').set(dead).execute()
  pass(5_000)
  runner.wake()
  while ((await states())[0] === 'running') await new Promise((resolve) => setTimeout(resolve, 2))
  pass(100_000)
  await runner.idle()
  assert.deepEqual(await states(), ['done'])
})
