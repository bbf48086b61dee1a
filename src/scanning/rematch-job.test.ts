import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { openDatabase, type Database } from '../database/index.ts'
import type { RunningJob } from '../jobs/index.ts'
import { digestOf } from '../kernel/digest.ts'
import { rematchJob, type RematchParts } from './rematch-job.ts'
import { saveReport, saveScan } from './store.ts'
import type { Inventory } from './types.ts'
import type { VulnerabilityDatabase } from './vulndb/open-vulnerability-database.ts'
import type { AffectedPackage } from './vulndb/tables.ts'

const holding = (name: string): Inventory => ({
  layers: [{ digest: 'l', diffId: 'd' }],
  packages: [{ type: 'npm', name, version: '1.0.0', purl: `pkg:npm/${name}@1.0.0`, path: 'p', layer: 0 }],
  unknowns: [],
})
const advisory: AffectedPackage = {
  id: 'GHSA-1',
  aliases: [],
  covers: [],
  severity: 'high',
  score: undefined,
  summary: 'bad',
  source: 'npm.osv',
  ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }] }],
  versions: [],
  state: undefined,
  module: undefined,
} as unknown as AffectedPackage

/** A database in which `bad` is what is affected. */
function vulnerabilities(version: string, act = (): void => {}): VulnerabilityDatabase {
  return {
    version,
    builtAt: 1,
    importedAt: 1,
    sources: [],
    covers: () => true,
    covering: () => [],
    affecting: (_ecosystem, name) => {
      act()
      return name === 'bad' ? [advisory] : []
    },
    knowledgeOf: () => undefined,
    cveOf: () => undefined,
  }
}

const count = 250
const digests = Array.from({ length: count }, (_, index) => digestOf(`image ${index}`)).toSorted()
let database: Database
let told: string[] = []
let judged: string[] = []

before(async () => {
  database = await openDatabase(':memory:')
})
after(() => database.destroy())
beforeEach(async () => {
  ;[told, judged] = [[], []]
  await database.deleteFrom('scan').execute()
  await database.transaction().execute(async (transaction) => {
    for (const digest of digests) {
      await saveScan(transaction, digest, { inventory: holding('bad') }, 1)
      const report = { databaseVersion: 'v1', databaseBuiltAt: 1, findings: [], gaps: [], coverage: [] }
      await saveReport(transaction, digest, report, 1)
    }
  })
})

function partsOf(current: VulnerabilityDatabase): RematchParts {
  return {
    database,
    clock: { now: () => 2 },
    vulnerabilities: { current: () => current, changedSince: () => undefined } as never,
    requestJudgement: async (_transaction, digest) => void judged.push(digest),
    tellOfFindings: async (_transaction, { digest }) => void told.push(digest),
    wake: () => {},
  }
}

function run(parts: RematchParts, signal = new AbortController().signal): Promise<void> {
  return rematchJob(parts, { signal } as RunningJob)
}

async function stored(): Promise<string> {
  const rows = await database.selectFrom('finding_report').selectAll().orderBy('digest').execute()
  return JSON.stringify(rows)
}

describe('matching again', () => {
  test('pitfall 22: ended between batches and run again gives what running once gives', async () => {
    await run(partsOf(vulnerabilities('v2')))
    const once = await stored()
    assert.match(once, /GHSA-1/)
    await database
      .updateTable('finding_report')
      .set({ database_version: 'v1', findings: '{"findings":[],"gaps":[],"coverage":[]}' })
      .execute()
    ;[told, judged] = [[], []]
    const stopping = new AbortController()
    const requestJudgement = async (_transaction: unknown, digest: string): Promise<void> => {
      if (judged.push(digest) === count / 2) stopping.abort()
    }
    const dying = { ...partsOf(vulnerabilities('v2')), requestJudgement }
    await assert.rejects(run(dying, stopping.signal), /interrupted/)
    assert.notEqual(await stored(), once)
    await run(partsOf(vulnerabilities('v2')))
    assert.equal(await stored(), once)
    assert.deepEqual(told.toSorted(), digests, 'each image is told of once')
    await run(partsOf(vulnerabilities('v2')))
    assert.equal(await stored(), once)
    assert.equal(told.length, count)
  })

  test('by two jobs at the same time gives what one gives', async () => {
    await run(partsOf(vulnerabilities('v2')))
    const once = await stored()
    await Promise.all([run(partsOf(vulnerabilities('v2'))), run(partsOf(vulnerabilities('v2')))])
    assert.equal(await stored(), once)
  })

  test('does not put an old inventory in the place of what was found by a scan meanwhile', async () => {
    const [first = ''] = digests
    await database
      .transaction()
      .execute(async (transaction) => saveScan(transaction, first, { inventory: holding('good') }, 1))
    let rescan: Promise<void> | undefined
    const racing = vulnerabilities('v2', () => {
      rescan ??= database.transaction().execute(async (transaction) => {
        await saveScan(transaction, first, { inventory: holding('bad') }, 5)
        const finding = [{ id: 'of the scan' }] as never
        const report = {
          databaseVersion: 'v2',
          databaseBuiltAt: 1,
          findings: finding,
          gaps: [],
          coverage: [],
        }
        await saveReport(transaction, first, report, 5)
      })
    })
    await run(partsOf(racing))
    await rescan
    const row = await database
      .selectFrom('finding_report')
      .select('findings')
      .where('digest', '=', first)
      .executeTakeFirst()
    assert.match(row?.findings ?? '', /of the scan/)
  })
})
