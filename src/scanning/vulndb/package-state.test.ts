import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import { importAdvisories } from './import-advisories.ts'
import { VulnerabilityDatabases } from './open-vulnerability-database.ts'

const root = mkdtempSync(join(tmpdir(), 'pratique-state-'))
after(() => rmSync(root, { recursive: true }))
let folder = ''
let now = 0
beforeEach(() => {
  folder = mkdtempSync(join(root, 'db-'))
  now = Date.UTC(2026, 0, 1)
})

/** Imports records as one source. Gives the version. */
async function importAs(source: string, records: readonly object[], into = folder): Promise<string> {
  const path = join(root, `${source}.jsonl`)
  writeFileSync(path, records.map((record) => JSON.stringify(record)).join('\n'))
  return (await importAdvisories(into, path, (now += 1000))).version
}

function advisory(id: string, name: string, fixed = '2', ecosystem = 'npm'): object {
  const ranges = [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed }] }]
  return { id, modified: '2026-01-01T00:00:00Z', affected: [{ package: { ecosystem, name }, ranges }] }
}

function changedSince(version: string): unknown {
  const databases = new VulnerabilityDatabases(folder)
  try {
    const change = databases.changedSince(version)
    return change && [change.ecosystems, change.packages.map((key) => `${key.ecosystem} ${key.package}`)]
  } finally {
    databases.close()
  }
}

describe('what changed since a version', () => {
  const start = [
    advisory('CVE-2026-1000', 'a'),
    advisory('CVE-2026-1001', 'b'),
    advisory('CVE-2026-1003', 'b', '4'),
  ]
  const cases: readonly [name: string, act: () => Promise<unknown>, expected: unknown][] = [
    ['the same again is nothing', () => importAs('s', start), [[], []]],
    ['the same in another order is nothing', () => importAs('s', start.toReversed()), [[], []]],
    [
      'another range is that package',
      () => importAs('s', [start[0] as object, advisory('CVE-2026-1001', 'b', '3')]),
      [[], ['npm b']],
    ],
    ['what is gone is that package', () => importAs('s', start.slice(0, 1)), [[], ['npm b']]],
    ['a new package is that one', () => importAs('more', [advisory('CVE-2026-1002', 'c')]), [[], ['npm c']]],
    [
      'a first record of an ecosystem makes it covered',
      () => importAs('more', [advisory('CVE-2026-1002', 'c', '1', 'Go')]),
      [['Go'], ['Go c']],
    ],
    [
      'a severity by CVE is of the packages that have it',
      () => importAs('list', [{ cve: 'CVE-2026-1000', almalinux: 'Important' }]),
      [[], ['npm a']],
    ],
    [
      'a first exploit is of the packages that have it',
      () => importAs('kev', [{ cveID: 'CVE-2026-1001', dateAdded: '2026-01-01' }]),
      [[], ['npm b']],
    ],
    [
      'a first exploit score is of the packages that have it',
      () => importAs('epss', [{ cve: 'CVE-2026-1000', epss: '0.05', percentile: '0.1' }]),
      [[], ['npm a']],
    ],
  ]
  for (const [name, act, expected] of cases)
    test(name, async () => {
      const before = await importAs('s', start)
      await act()
      assert.deepEqual(changedSince(before), expected)
    })

  test('a small change of an exploit score is nothing, a large one is', async () => {
    const score = (epss: string): object => ({ cve: 'CVE-2026-1000', epss, percentile: '0.1' })
    await importAs('s', start)
    const first = await importAs('epss', [score('0.11')])
    const second = await importAs('epss', [score('0.19')])
    assert.deepEqual(changedSince(first), [[], []])
    await importAs('epss', [score('0.31')])
    assert.deepEqual(changedSince(second), [[], ['npm a']])
  })

  test('a version that is no longer kept cannot be compared with', async () => {
    const first = await importAs('s', start)
    await importAs('t', start)
    await importAs('u', start)
    assert.equal(changedSince(first), undefined)
    assert.equal(changedSince('../../etc/passwd'), undefined)
  })
})

test('names that sort differently as text and as bytes are compared right', async () => {
  const named = (name: string): object => advisory(`X-${name}`, name)
  const first = await importAs('s', ['a\u{1f600}', 'b'].map(named))
  await importAs('s', ['a\u{1f600}', 'a\uff5e', 'b'].map(named))
  assert.deepEqual(changedSince(first), [[], ['npm a\uff5e']])
})

test('a name that only another record knows as a CVE is joined to it', async () => {
  await importAs('pypi', [{ ...advisory('PYSEC-1', 'a', '2', 'PyPI'), aliases: ['GHSA-1'] }])
  await importAs('ghsa', [{ ...advisory('GHSA-1', 'elsewhere'), aliases: ['CVE-2026-1000'] }])
  await importAs('both', [{ ...advisory('GHSA-2', 'b'), aliases: ['CVE-2026-1', 'CVE-2026-2'] }])
  const databases = new VulnerabilityDatabases(folder)
  assert.equal(databases.current()?.cveOf('GHSA-1'), 'CVE-2026-1000')
  assert.equal(databases.current()?.cveOf('GHSA-2'), undefined)
  databases.close()
})

test('a file that an older release wrote is not read, and the next import begins anew', async () => {
  const { DatabaseSync } = await import('node:sqlite')
  const version = await importAs('s', [advisory('X-1', 'a')])
  const old = new DatabaseSync(join(folder, `${version}.sqlite`))
  old.exec('pragma user_version = 1')
  old.close()
  const databases = new VulnerabilityDatabases(folder)
  assert.equal(databases.current(), undefined)
  await importAs('t', [advisory('X-2', 'b')])
  assert.deepEqual(
    databases.current()?.sources.map(({ name }) => name),
    ['t'],
  )
  databases.close()
})
