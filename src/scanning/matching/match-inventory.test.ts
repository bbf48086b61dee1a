import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { FindingReport, InstalledPackage, Inventory, OperatingSystem, PackageType } from '../types.ts'
import { importAdvisories } from '../vulndb/import-advisories.ts'
import { VulnerabilityDatabases } from '../vulndb/open-vulnerability-database.ts'
import { packageKeysOf } from './ecosystem.ts'
import { matchInventory } from './match-inventory.ts'

const root = mkdtempSync(join(tmpdir(), 'pratique-match-'))
after(() => rmSync(root, { recursive: true }))
const testdata = join(import.meta.dirname, '../vulndb/testdata')
const now = Date.UTC(2026, 10, 25)

const layers = [
  { digest: 'sha256:base', diffId: 'sha256:0', instruction: 'FROM' },
  { digest: 'sha256:app', diffId: 'sha256:1', instruction: 'RUN' },
  { digest: 'sha256:clean', diffId: 'sha256:2' },
]

function system(id: string, versionId: string): OperatingSystem {
  return { id, versionId, prettyName: `${id} ${versionId}` }
}

function installed(
  type: PackageType,
  name: string,
  version: string,
  more: Partial<InstalledPackage> = {},
): InstalledPackage {
  return { type, name, version, purl: `pkg:${type}/${name}@${version}`, path: 'db', layer: 0, ...more }
}

/** Matches with a database of these sources: files of testdata, or records. */
async function match(
  sources: Readonly<Record<string, readonly object[] | string>>,
  inventory: Partial<Inventory>,
): Promise<FindingReport> {
  const folder = mkdtempSync(join(root, 'db-'))
  for (const [name, records] of Object.entries(sources)) {
    const path = typeof records === 'string' ? join(testdata, records) : join(folder, `${name}.jsonl`)
    if (typeof records !== 'string')
      writeFileSync(path, records.map((record) => JSON.stringify(record)).join('\n'))
    await importAdvisories(folder, path, now)
  }
  const databases = new VulnerabilityDatabases(folder)
  const database = databases.current()
  assert.ok(database)
  const report = matchInventory({ layers, packages: [], unknowns: [], ...inventory }, database)
  databases.close()
  return report
}

function advisory(
  id: string,
  ecosystem: string,
  name: string,
  events: readonly object[],
  more: object = {},
): object {
  const affected = [{ package: { ecosystem, name }, ranges: [{ type: 'ECOSYSTEM', events }] }]
  return { id, modified: '2026-01-01T00:00:00Z', affected, ...more }
}

const show = (report: FindingReport): readonly string[] =>
  report.findings.map(({ id, packageName, fixState, fixedVersion }) =>
    [id, packageName, fixState, fixedVersion].filter(Boolean).join(' '),
  )

describe('OSV’s evaluation', () => {
  const cases: readonly [
    name: string,
    entry: object,
    affected: readonly string[],
    clean: readonly string[],
  ][] = [
    [
      'from the beginning',
      { events: [{ introduced: '0' }, { fixed: '2.0.0' }] },
      ['0.0.1-alpha', '1.9.9'],
      ['2.0.0'],
    ],
    [
      'the last affected version is affected',
      { events: [{ introduced: '1.0.0' }, { last_affected: '1.2.0' }] },
      ['1.0.0', '1.2.0'],
      ['0.9.0', '1.2.1'],
    ],
    [
      'several lines, in any order',
      { events: [{ fixed: '2.5.0' }, { introduced: '2.0.0' }, { fixed: '1.5.0' }, { introduced: '1.0.0' }] },
      ['1.4.9', '2.4.9'],
      ['1.5.0', '1.9.0', '2.5.0'],
    ],
    ['never mended', { events: [{ introduced: '1.0.0' }] }, ['1.0.0', '99.0.0'], ['0.9.0']],
    [
      'below the limit only',
      { events: [{ introduced: '0' }, { limit: '2.0.0' }] },
      ['1.0.0'],
      ['2.0.0', '3.0.0'],
    ],
    ['without a limit where it is *', { events: [{ introduced: '0' }, { limit: '*' }] }, ['99.0.0'], []],
  ]
  for (const [name, { events }, affected, clean] of cases as [
    string,
    { events: object[] },
    string[],
    string[],
  ][])
    test(name, async () => {
      const versions = [...affected, ...clean]
      const packages = versions.map((version) => installed('npm', 'a', version))
      const report = await match({ s: [advisory('X-1', 'npm', 'a', events)] }, { packages })
      assert.deepEqual(
        report.findings.map((finding) => finding.installedVersion).toSorted(),
        affected.toSorted(),
      )
    })

  test('a listed version is affected whatever the ranges say', async () => {
    const record = {
      id: 'X-1',
      affected: [{ package: { ecosystem: 'PyPI', name: 'A_b' }, versions: ['1.0'], ranges: [] }],
    }
    const packages = ['1.0', '1.0.0', '1.1'].map((version) => installed('pypi', 'a-B', version))
    const report = await match({ s: [record] }, { packages })
    assert.deepEqual(report.findings.map((finding) => finding.installedVersion).toSorted(), ['1.0', '1.0.0'])
  })
})

describe('one vulnerability is one finding', () => {
  const fixed = (version: string): object[] => [{ introduced: '0' }, { fixed: version }]
  test('however many names it has, also by way of others', async () => {
    const report = await match(
      {
        a: [advisory('PYSEC-1', 'PyPI', 'a', fixed('2'), { aliases: ['GHSA-1'] })],
        b: [advisory('GHSA-1', 'PyPI', 'a', fixed('3'), { database_specific: { severity: 'LOW' } })],
        c: [advisory('BIT-1', 'PyPI', 'a', fixed('4'), { aliases: ['PYSEC-1', 'CVE-2026-1000'] })],
      },
      { packages: [installed('pypi', 'a', '1')] },
    )
    assert.deepEqual(show(report), ['CVE-2026-1000 a fixed 2'])
    assert.deepEqual([...(report.findings[0]?.aliases ?? [])].toSorted(), ['BIT-1', 'GHSA-1', 'PYSEC-1'])
    assert.equal(report.findings[0]?.severity, 'low')
  })

  test('when the one that joins two comes last', async () => {
    const aliased = (id: string, alias: string): object =>
      advisory(id, 'npm', 'a', fixed('2.0.0'), { aliases: [alias] })
    const records = [aliased('A-1', 'A-2'), aliased('B-1', 'B-2'), aliased('A-2', 'B-1')]
    const report = await match({ s: records }, { packages: [installed('npm', 'a', '1.0.0')] })
    assert.deepEqual(show(report), ['A-1 a fixed 2.0.0'])
  })

  test('an advisory about several is as many, each with its name', async () => {
    const report = await match(
      { alma: 'almalinux.osv.jsonl' },
      {
        operatingSystem: system('almalinux', '9.4'),
        packages: [installed('rpm', 'xz-libs', '5.2.5-7.el9', { vendor: 'AlmaLinux' })],
      },
    )
    assert.ok(report.findings.length > 0)
    for (const finding of report.findings) {
      assert.match(finding.id, /^CVE-/)
      assert.match(finding.aliases.join(), /^ALSA-[0-9:]+$/)
      assert.equal(finding.fixedVersion, '5.2.5-8.el9_0')
    }
  })

  test('of each installed copy', async () => {
    const packages = ['one', 'two'].map((path) => installed('npm', 'a', '1.0.0', { path }))
    const report = await match({ s: [advisory('X-1', 'npm', 'a', fixed('2.0.0'))] }, { packages })
    assert.deepEqual(
      report.findings.map(({ path }) => path),
      ['one', 'two'],
    )
  })
})

describe('what a distribution says', () => {
  const debian = (version: string, name: string, at: string, source = name): Partial<Inventory> => ({
    operatingSystem: system('debian', version),
    packages: [installed('deb', `lib${name}`, at, { sourceName: source })],
  })
  const cases: readonly [name: string, inventory: Partial<Inventory>, expected: readonly string[]][] = [
    ['will not be mended', debian('12', 'zlib', '1:1.2.13.dfsg-1'), ['CVE-2023-45853 libzlib will-not-fix']],
    ['is mended', debian('13', 'zlib', '1:1.3.dfsg-3'), ['CVE-2023-45853 libzlib fixed 1:1.3.dfsg-3.1']],
    [
      'is open and of no importance',
      debian('12', 'bash', '5.2.15-2+b2'),
      ['CVE-2022-3715 libbash unfixed', 'TEMP-0841856-B18BAF libbash unfixed'],
    ],
    ['is not determined', debian('13', 'bash', '5.2'), ['CVE-2022-3715 libbash unknown']],
    ['is over with the release', debian('11', 'bash', '5.1'), ['CVE-2022-3715 libbash end-of-life']],
  ]
  for (const [name, inventory, expected] of cases)
    test(name, async () =>
      assert.deepEqual(show(await match({ tracker: 'debian-tracker.json' }, inventory)), expected),
    )

  test('what it rules out, nobody else claims for its package', async () => {
    const claim = advisory('DEBIAN-CVE-2018-25032', 'Debian:11', 'zlib', [{ introduced: '0' }])
    const inventory = debian('11', 'zlib', '1:1.2.11')
    assert.deepEqual(show(await match({ claim: [claim] }, inventory)), ['CVE-2018-25032 libzlib end-of-life'])
    assert.deepEqual(show(await match({ claim: [claim], tracker: 'debian-tracker.json' }, inventory)), [])
  })

  test('an unimportant one is negligible, whatever its score is', async () => {
    const list = [{ cve: 'CVE-2022-3715', cvss: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }]
    const report = await match({ tracker: 'debian-tracker.json', list }, debian('12', 'bash', '5.2'))
    const finding = report.findings.find(({ id }) => id === 'CVE-2022-3715')
    assert.deepEqual([finding?.severity, finding?.score], ['negligible', 9.8])
  })

  test('a fix for subscribers only is none, but who has it is not affected', async () => {
    const inventory = (version: string): Partial<Inventory> => ({
      operatingSystem: system('ubuntu', '18.04'),
      packages: [installed('deb', 'openssl', version)],
    })
    const sources = { ubuntu: 'ubuntu-cves.json' }
    assert.deepEqual(show(await match(sources, inventory('1.1.1-1ubuntu2.1~18.04.23'))), [
      'CVE-2024-0727 openssl end-of-life',
    ])
    assert.deepEqual(show(await match(sources, inventory('1.1.1-1ubuntu2.1~18.04.23+esm4'))), [])
  })
})

describe('rpm', () => {
  const cases: readonly [name: string, installed: InstalledPackage, isAffected: boolean][] = [
    [
      'the same module stream',
      installed('rpm', 'nodejs', '1:20.9.0-1.module_el9.3.0+50', { module: 'nodejs:20:9030:x' }),
      true,
    ],
    [
      'a newer build of the stream',
      installed('rpm', 'nodejs', '1:20.99.0-1.module_el9.9.0+1', { module: 'nodejs:20:9090:x' }),
      false,
    ],
    [
      'a stream that no advisory is about',
      installed('rpm', 'nodejs', '1:16.1.0-1.module_el9.3.0+50', { module: 'nodejs:16:9030:x' }),
      false,
    ],
    ['no module at all', installed('rpm', 'nodejs', '1:16.20.2-1.el9'), false],
    [
      'a module without its label, by its line',
      installed('rpm', 'nodejs', '1:18.1.0-1.module_el9.3.0+50'),
      true,
    ],
    [
      'the name of the source',
      installed('rpm', 'node', '1:18.1.0-1.module_el9.3.0+50', { sourceName: 'nodejs' }),
      false,
    ],
  ]
  for (const [name, found, isAffected] of cases)
    test(`${name}: ${isAffected ? 'affected' : 'not affected'}`, async () => {
      const report = await match(
        { alma: 'almalinux.osv.jsonl' },
        { operatingSystem: system('almalinux', '9.4'), packages: [found] },
      )
      assert.equal(report.findings.length > 0, isAffected, show(report).join())
    })
})

describe('coverage', () => {
  const sources = {
    tracker: 'debian-tracker.json',
    alma: 'almalinux.osv.jsonl',
    bitnami: 'bitnami.osv.jsonl',
    alpine: 'alpine.jsonl',
  }
  const cases: readonly [
    name: string,
    system: OperatingSystem,
    found: InstalledPackage,
    gap: string | undefined,
  ][] = [
    [
      'a release that a source speaks for',
      system('debian', '12'),
      installed('deb', 'bash', '5.2'),
      undefined,
    ],
    ['a release that none speaks for', system('debian', '7'), installed('deb', 'bash', '4'), 'Debian:7'],
    [
      'a derivative is never taken for its parent',
      system('linuxmint', '21'),
      installed('deb', 'bash', '5'),
      'linuxmint:21',
    ],
    ['CentOS is not Red Hat', system('centos', '9'), installed('rpm', 'bash', '5'), 'centos:9'],
    [
      'a third party’s package',
      system('almalinux', '9.4'),
      installed('rpm', 'docker-ce', '24', { vendor: 'Docker' }),
      'AlmaLinux:9 (packaged by Docker)',
    ],
    [
      'EPEL',
      system('almalinux', '9.4'),
      installed('rpm', 'htop', '3', { vendor: 'Fedora Project' }),
      'AlmaLinux:9 (packaged by Fedora Project)',
    ],
    ['a product on the list', system('debian', '12'), installed('generic', 'node', '99.0.0'), undefined],
    [
      'a product that is not on the list',
      system('debian', '12'),
      installed('generic', 'busybox', '1'),
      'Bitnami (busybox)',
    ],
    ['a branch of Alpine', system('alpine', '3.11.2'), installed('apk', 'musl', '1.2'), undefined],
    [
      'a name like a property of every object',
      system('constructor', '1'),
      installed('apk', 'musl', '1.2'),
      'constructor:1',
    ],
  ]
  for (const [name, operatingSystem, found, gap] of cases)
    test(`${name}: ${gap ?? 'covered'}`, async () => {
      const report = await match(sources, { operatingSystem, packages: [found] })
      assert.deepEqual(
        report.gaps.map(({ ecosystem }) => ecosystem),
        gap === undefined ? [] : [gap],
      )
      assert.equal(report.coverage.length > 0, gap === undefined)
    })

  test('names each source with its date, and the end of a release that is over', async () => {
    const report = await match(
      { a: [advisory('X-1', 'Debian:11', 'bash', [{ introduced: '0' }])], tracker: 'debian-tracker.json' },
      {
        operatingSystem: system('debian', '11'),
        packages: [installed('deb', 'x', '1'), installed('deb', 'y', '1')],
      },
    )
    const endOfLife = '2026-08-31'
    assert.deepEqual(report.coverage, [
      { ecosystem: 'Debian:11', source: 'a', builtAt: Date.UTC(2026, 0, 1), packages: 2, endOfLife },
      { ecosystem: 'Debian:11', source: 'debian-tracker', packages: 2, endOfLife },
    ])
  })
})

test('exploit score, known exploitation, and the score are carried in', async () => {
  const report = await match(
    {
      maven: 'maven.osv.jsonl',
      kev: 'kev.jsonl',
      epss: [{ cve: 'CVE-2021-44228', epss: '0.94', percentile: '0.99' }],
    },
    { packages: [installed('maven', 'org.apache.logging.log4j:log4j-core', '2.14.1')] },
  )
  const finding = report.findings.find(({ id }) => id === 'CVE-2021-44228')
  assert.deepEqual(
    [finding?.severity, finding?.score, finding?.exploitedSince, finding?.epss, finding?.fixedVersion],
    ['critical', 10, '2021-12-10', { probability: 0.94, percentile: 0.99 }, '2.15.0'],
  )
})

test('what a later layer removed is a finding apart, with who removed it', async () => {
  const found = installed('npm', 'a', '1.0.0', { layer: 1 })
  const report = await match(
    { s: [advisory('X-1', 'npm', 'a', [{ introduced: '0' }])] },
    { packages: [found], removed: [{ ...found, layer: 0, removedIn: 2 }] },
  )
  assert.deepEqual(
    report.findings.map(({ layer, layerDigest, instruction, removedBy }) => [
      layer,
      layerDigest,
      instruction,
      removedBy,
    ]),
    [
      [1, 'sha256:app', 'RUN', undefined],
      [0, 'sha256:base', 'FROM', { layerDigest: 'sha256:clean' }],
    ],
  )
})

test('Node.js itself is matched with Bitnami’s and its own advisories as one', async () => {
  const report = await match(
    { bitnami: 'bitnami.osv.jsonl', core: 'node-core.jsonl' },
    { packages: [installed('generic', 'node', '18.17.0')] },
  )
  const finding = report.findings.find(({ id }) => id === 'CVE-2023-32002')
  assert.deepEqual([finding?.fixedVersion, finding?.aliases], ['18.17.1', ['NSWG-CORE-118']])
})

test('the keys of an inventory are the names that it is matched by', () => {
  const keys = packageKeysOf({
    operatingSystem: system('debian', '12.5'),
    layers,
    unknowns: [],
    packages: [
      installed('deb', 'libssl3', '3', { sourceName: 'openssl' }),
      installed('deb', 'openssl', '3'),
      installed('pypi', 'Foo_Bar', '1'),
    ],
    removed: [{ ...installed('npm', 'a', '1'), removedIn: 1 }],
  })
  assert.deepEqual(keys, [
    { ecosystem: 'Debian:12', package: 'openssl' },
    { ecosystem: 'PyPI', package: 'foo-bar' },
    { ecosystem: 'npm', package: 'a' },
  ])
})
