import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { Value } from 'typebox/value'
import { digestOf } from '../../kernel/digest.ts'
import { openLog } from '../../kernel/log.ts'
import { NodeReport as NodeReportSchema, type NodeAnswer, type NodeReport } from '../../runtime/wire.ts'
import { ClearanceStore } from '../clearance/clearance-store.ts'
import { NodeJournal } from '../clearance/node-journal.ts'
import { Clearance } from '../clearance/open-clearance.ts'
import { writePermit } from '../clearance/permits.ts'
import type { Cleared } from '../clearance/types.ts'
import { backendOf } from '../cri/backend.ts'
import { CriFailure } from '../cri/failures.ts'
import type { KnownRuntimes } from '../runtimes/known-reports.ts'
import { reportOnce, type ReportParts } from './report-node.ts'
import type { ServerLink } from './server-link.ts'

const now = 1_000_000_000
const clock = { now: () => now }
const digest = digestOf('an image')
const id = digestOf('its config')
const registry = 'reg.example:5000'

let folder: string
let store: ClearanceStore
let reports: NodeReport[]
let withdrawn: NodeAnswer['withdrawn']
let stopped: string[]
/** What runs: by the id of its image, and by what the pod called it. */
let running: { id: string; imageId: string; specified?: string }[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pratique-report-'))
  store = new ClearanceStore(join(folder, 'cleared'), openLog('silent'))
  reports = []
  withdrawn = []
  stopped = []
  running = []
})
afterEach(() => rmSync(folder, { recursive: true }))

const cleared: Cleared = {
  name: `${registry}/prod/app`,
  digest,
  reason: 'signed',
  tags: [],
  imageIds: [id],
  clearedAt: now,
  expiresAt: now + 1,
  trustIssuedAt: now,
}

function parts(): ReportParts {
  const link = {
    enrolment: { expiresAt: now * 2 },
    async post(_: string, report: NodeReport) {
      reports.push(report)
      return { withdrawn, lastEvent: 0, policyVersion: 1, serverTime: now, reportEverySeconds: 30 }
    },
  }
  const backend = backendOf(
    'memory',
    {
      async ListContainers() {
        return {
          containers: running.map((one) => ({
            id: one.id,
            podSandboxId: 'p',
            imageId: one.imageId,
            image: { image: one.imageId, userSpecifiedImage: one.specified },
          })),
        }
      },
      async ListPodSandbox() {
        return { items: [{ id: 'p', metadata: { name: 'web', namespace: 'shop' }, runtimeHandler: 'runc' }] }
      },
      async ImageStatus({ image }) {
        const repoDigests = {
          pulled: [`${registry}/prod/other@${digest}`],
          foreign: [`docker.io/library/nginx@${digest}`],
          imported: [],
        }[image?.image ?? '']
        return { image: repoDigests ? { id: `id of ${image?.image}`, repoDigests } : null }
      },
      async StopContainer({ containerId }) {
        if (containerId.startsWith('stubborn')) throw new CriFailure('INTERNAL', 'it does not end')
        stopped.push(containerId)
        return {}
      },
    },
    async () => {},
  )
  const unasked = async (): Promise<never> => assert.fail('no image is judged by a report')
  return {
    link: link as unknown as ServerLink,
    folder,
    stateFolder: folder,
    isOurs: (host) => host === registry,
    backend,
    clearance: new Clearance({
      judge: { judge: unasked, keepTrust: unasked, warm() {}, async close() {} },
      store,
      journal: new NodeJournal(join(folder, 'journal.jsonl')),
      clock,
      permitFolder: join(folder, 'permits'),
    }),
    runtimes: { list: () => [] } as unknown as KnownRuntimes,
    version: '1',
    clock,
    log: openLog('silent'),
    async refreshTrust() {},
  }
}

async function told(): Promise<(readonly [string, string, string])[]> {
  await reportOnce(parts())
  return (reports.at(-1)?.running ?? []).map(
    ({ container, repository, digest: of }) => [container, repository, of] as const,
  )
}

test('what was made past the agent is told as well, as its registry or its runtime calls it', async () => {
  store.save(cleared)
  running = [
    { id: 'c1', imageId: id },
    { id: 'c2', imageId: 'pulled' },
    { id: 'c3', imageId: 'foreign' },
    { id: 'c4', imageId: 'imported', specified: 'import:1' },
    { id: 'c5', imageId: 'gone' },
  ]
  assert.deepEqual(await told(), [
    ['c1', 'prod/app', digest],
    ['c2', 'prod/other', digest],
    ['c3', 'docker.io/library/nginx', digest],
    ['c4', 'import:1', 'id of imported'],
    ['c5', 'gone', 'gone'],
  ])
})

test('a name that is too long costs nobody the report', async () => {
  running = [{ id: 'c1', imageId: 'imported', specified: 'x'.repeat(100_000) }]
  await told()
  assert.ok(Value.Check(NodeReportSchema, reports[0]))
})

test('an image that was removed is told and withdrawn for as long as a container of it runs', async () => {
  store.save(cleared)
  store.remove(cleared)
  running = [{ id: 'c1', imageId: id }]
  withdrawn = [{ repository: 'prod/app', digest, reasons: ['quarantined'], action: 'evict' }]
  assert.deepEqual(await told(), [['c1', 'prod/app', digest]])
  assert.deepEqual([reports[0]?.cached, stopped], [[], ['c1']])
  running = []
  assert.deepEqual(await told(), [])
  assert.deepEqual(readdirSync(join(folder, 'cleared')), [])
})

test('what was made past the agent is stopped when its image is withdrawn, and left when nobody knows it', async () => {
  running = [
    { id: 'c1', imageId: 'foreign' },
    { id: 'c2', imageId: 'pulled' },
  ]
  withdrawn = [{ repository: 'prod/other', digest, reasons: ['quarantined'], action: 'evict' }]
  await told()
  assert.deepEqual(stopped, ['c2'])
})

test('what somebody answers for by now is left, and a trust that is not to be had holds up nothing', async () => {
  const demands = { ...cleared, running: { breakGlassHours: 1 } }
  store.save(demands)
  running = [{ id: 'c1', imageId: id }]
  withdrawn = [{ repository: 'prod/app', digest, reasons: ['quarantined'], action: 'evict' }]
  const permit = { digest, reason: 'the pager says so', by: 'root', from: now, until: now + 3_600_000 }
  writePermit(join(folder, 'permits'), permit)
  const unreached = { ...parts(), refreshTrust: () => Promise.reject(new Error('there is no trust')) }
  await reportOnce(unreached)
  assert.deepEqual(stopped, [])
  rmSync(join(folder, 'permits'), { recursive: true })
  await reportOnce(unreached)
  assert.deepEqual(stopped, ['c1'])
})

test('of the same name and digest elsewhere nothing is withdrawn', async () => {
  running = [{ id: 'c1', imageId: 'foreign' }]
  withdrawn = [{ repository: 'library/nginx', digest, reasons: ['quarantined'], action: 'evict' }]
  await told()
  assert.deepEqual(stopped, [])
})

test('one that cannot be stopped holds up no other, and only what was stopped is written down', async () => {
  running = ['stubborn-1', 'c2', 'stubborn-3'].map((one) => ({ id: one, imageId: 'pulled' }))
  withdrawn = [{ repository: 'prod/other', digest, reasons: ['quarantined'], action: 'evict' }]
  for (let round = 1; round <= 5; round++) {
    await told()
    assert.deepEqual(
      stopped,
      Array.from({ length: round }, () => 'c2'),
    )
  }
  const { journal } = parts().clearance
  assert.deepEqual(
    journal.after(0, 100).map(({ kind, container }) => [kind, container]),
    Array.from({ length: 5 }, () => ['evicted', 'c2']),
  )
})
