import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openDatabase, type Database } from '../../database/index.ts'
import { addImage, addProject } from '../../exceptions/testing-accounts.ts'
import { Identity } from '../../identity/index.ts'
import { digestOf } from '../../kernel/digest.ts'
import { listUncleared, saveVerdict, type VerdictState } from '../../policy/index.ts'
import type { NodeAnswer } from '../wire.ts'
import { listRunning } from './list-nodes.ts'
import { receiveReport } from './receive-report.ts'

const digest = digestOf('an image')
const now = 1_000_000
const clock = { now: () => now }
let database: Database

before(async () => {
  database = await openDatabase(':memory:')
  await addProject(database, 'prod')
  await addImage(database, 'prod/app', digest)
  await addImage(database, 'prod/own', digest)
})
after(() => database.destroy())

const judge = (state: VerdictState, graceUntil?: number): Promise<void> =>
  database.transaction().execute((transaction) =>
    saveVerdict(transaction, 'prod/app', digest, {
      state,
      reasons: [{ rule: 'vulnerabilities', outcome: 'fail', message: 'CVE-1' }],
      policyVersion: 1,
      judgedAt: now,
      ...(graceUntil === undefined ? {} : { graceUntil }),
    }),
  )

async function report(): Promise<NodeAnswer['withdrawn']> {
  const identity = new Identity({ database, clock, trustedProxies: [], tokenLifetimeMs: 60_000 })
  const { withdrawn } = await receiveReport(
    { database, clock, identity },
    { id: 'n1', name: 'worker' },
    {
      agentVersion: '1',
      runtimes: [],
      running: [],
      cached: [
        { repository: 'prod/app', digest },
        { repository: 'prod/own', digest },
        { repository: 'elsewhere/app', digest },
      ],
      events: [],
    },
  )
  return withdrawn
}

const told = (action: 'report' | 'evict', state: VerdictState): NodeAnswer['withdrawn'] => [
  { repository: 'prod/app', digest, reasons: [state, 'rule vulnerabilities: CVE-1'], action },
]

test('a node is told what is quarantined or recalled, and of nothing else', async () => {
  await judge('cleared')
  assert.deepEqual(await report(), [])
  await judge('pending')
  assert.deepEqual(await report(), [], 'what is only judged again would be stopped')
  await judge('recalled', now + 1)
  assert.deepEqual(await report(), [], 'the grace of a recall is for what runs')
  await judge('recalled', now)
  assert.deepEqual(await report(), told('report', 'recalled'))
  await judge('quarantined')
  assert.deepEqual(await report(), told('report', 'quarantined'))
})

test('what becomes of its containers is what the policy says now', async () => {
  await judge('quarantined')
  for (const [quarantined, pattern] of [
    ['evict', 'prod/app'],
    ['report', 'prod/app'],
    ['evict', 'prod/own'],
  ] as const) {
    const document = JSON.stringify({
      stages: [{ name: 'prod', prefix: 'prod', rules: {} }],
      others: { rules: {} },
      repositories: [{ pattern, rules: { running: { quarantined } } }],
    })
    await database.insertInto('policy').values({ document, applied_by: 'admin', applied_at: now }).execute()
    const action = quarantined === 'evict' && pattern === 'prod/app' ? 'evict' : 'report'
    assert.deepEqual(await report(), told(action, 'quarantined'))
  }
})

test('of thousands of images that a node holds, those are told that are meant, in their repository', async () => {
  await judge('quarantined')
  const held = Array.from({ length: 1_200 }, (_, index) => ({
    repository: index % 2 === 0 ? 'prod/app' : 'prod/own',
    digest: index === 1_100 ? digest : digestOf(`image ${index}`),
  }))
  const found = await listUncleared({ database, clock }, [...held, { repository: 'prod/own', digest }])
  assert.deepEqual(
    found.map(({ repository, state }) => [repository, state]),
    [['prod/app', 'quarantined']],
  )
})

test('of what runs, what is held and what this registry does not have is told as not cleared', async () => {
  await judge('quarantined')
  await database
    .insertInto('node')
    .values({
      id: 'n1',
      name: 'worker',
      labels: '{}',
      enrolled_at: now,
      certificate_expires_at: now,
      last_seen_at: null,
      agent_version: null,
      runtimes: '[]',
      last_event: 0,
    })
    .execute()
  const running = [
    { repository: 'prod/app', digest },
    { repository: 'prod/own', digest },
    { repository: 'prod/own', digest: digestOf('deleted since') },
    { repository: 'docker.io/library/nginx', digest },
    { repository: 'imported', digest: 'not a digest' },
  ].map((one, index) => ({
    ...one,
    container: `c${index}`,
    pod: `shop/${index}`,
    handler: '',
    startedAt: now,
  }))
  const identity = new Identity({ database, clock, trustedProxies: [], tokenLifetimeMs: 60_000 })
  const parts = { database, clock, identity }
  const answer = await receiveReport(
    parts,
    { id: 'n1', name: 'worker' },
    { agentVersion: '1', runtimes: [], running, cached: [], events: [] },
  )
  assert.deepEqual(
    answer.withdrawn.map(({ repository }) => repository),
    ['prod/app'],
    'nothing is taken from a node because the registry has forgotten it',
  )
  const unknown = ['unknown', 'this registry does not have it']
  assert.deepEqual(
    (await listRunning(parts, false)).map(({ container, isCleared, reasons }) => [
      container,
      isCleared || reasons,
    ]),
    [
      ['c0', ['quarantined', 'rule vulnerabilities: CVE-1']],
      ['c1', true],
      ['c2', unknown],
      ['c3', unknown],
      ['c4', unknown],
    ],
  )
  assert.equal((await listRunning(parts, true)).length, 4)
})
