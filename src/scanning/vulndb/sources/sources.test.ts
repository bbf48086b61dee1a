import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { readRecords } from '../read-records.ts'
import { sourceAdapters } from './index.ts'
import { readOsv } from './osv.ts'
import type { AffectedEntry, SourceRecord } from './types.ts'

const testdata = join(import.meta.dirname, '../testdata')

async function readFile(name: string): Promise<readonly SourceRecord[]> {
  const records: SourceRecord[] = []
  for await (const read of readRecords(join(testdata, name))) {
    assert.ok('record' in read)
    records.push(...readRecord(read.record))
  }
  return records
}

function readRecord(record: unknown): readonly SourceRecord[] {
  const adapter = sourceAdapters.find((one) => one.accepts(record))
  assert.ok(adapter, JSON.stringify(record).slice(0, 100))
  return [...adapter.read(record)]
}

/** `package: state fixed` of every entry of an ecosystem, for the given CVE. */
function statesOf(records: readonly SourceRecord[], id: string, ecosystem: string): readonly string[] {
  return records
    .flatMap((record) => ('advisory' in record && record.advisory.id === id ? record.advisory.affected : []))
    .filter((entry) => entry.ecosystem === ecosystem)
    .map(show)
    .toSorted()
}

function show(entry: AffectedEntry): string {
  const fixed = entry.ranges.flatMap(({ events }) => events.map((event) => event.fixed)).find(Boolean)
  return [entry.package, entry.state, entry.module, fixed].filter((part) => part !== undefined).join(' ')
}

describe('Debian’s tracker', async () => {
  const records = await readFile('debian-tracker.json')
  const cases: readonly [id: string, ecosystem: string, expected: readonly string[]][] = [
    ['CVE-2023-45853', 'Debian:12', ['zlib will-not-fix']],
    ['CVE-2023-45853', 'Debian:13', ['zlib 1:1.3.dfsg-3.1']],
    ['CVE-2018-25032', 'Debian:12', ['zlib 1:1.2.11.dfsg-4']],
    ['CVE-2018-25032', 'Debian:11', ['zlib not-affected']],
    ['CVE-2018-25032', 'Debian:10', ['zlib end-of-life']],
    ['CVE-2022-3715', 'Debian:12', ['bash unfixed']],
    ['CVE-2022-3715', 'Debian:11', ['bash deferred']],
    ['CVE-2022-3715', 'Debian:13', ['bash unknown']],
    ['TEMP-0841856-B18BAF', 'Debian:12', ['bash unfixed']],
  ]
  for (const [id, ecosystem, expected] of cases)
    test(`${id} in ${ecosystem} is ${expected.join()}`, () =>
      assert.deepEqual(statesOf(records, id, ecosystem), expected))

  test('the urgency of each release is its severity', () => {
    const severities = records.flatMap((record) =>
      'advisory' in record && record.advisory.id === 'CVE-2022-3715'
        ? record.advisory.affected.map(({ ecosystem }) => [ecosystem, record.advisory.severity])
        : [],
    )
    assert.deepEqual(Object.fromEntries(severities), {
      'Debian:12': 'unimportant',
      'Debian:11': 'low',
      'Debian:13': undefined,
    })
  })
})

describe('Ubuntu’s CVE tracker', async () => {
  const records = await readFile('ubuntu-cves.json')
  const cases: readonly [ecosystem: string, expected: readonly string[]][] = [
    ['Ubuntu:22.04', ['edk2 deferred', 'openssl 3.0.2-0ubuntu1.14']],
    ['Ubuntu:18.04', ['openssl unfixed 1.1.1-1ubuntu2.1~18.04.23+esm4']],
    ['Ubuntu:24.04', ['edk2 unknown', 'openssl not-affected']],
    ['Ubuntu:20.04', ['edk2 will-not-fix', 'openssl unfixed']],
    ['Ubuntu:16.04', []],
  ]
  for (const [ecosystem, expected] of cases)
    test(`${ecosystem}: ${expected.join(', ') || 'the release has no such package'}`, () =>
      assert.deepEqual(statesOf(records, 'CVE-2024-0727', ecosystem), expected))

  test('an entry that cannot be read does not take the others with it', () => {
    assert.equal(records.filter((record) => 'problem' in record).length, 1)
  })
})

describe('Alpine’s security database', async () => {
  const records = await readFile('alpine.jsonl')
  test('a version fixes, and version 0 rules out', () => {
    assert.deepEqual(statesOf(records, 'CVE-2019-14697', 'Alpine:v3.11'), ['musl 1.1.23-r2'])
    const ruled = records.flatMap((record) => ('advisory' in record ? record.advisory.affected : []))
    assert.ok(ruled.some((entry) => entry.state === 'not-affected'))
  })
})

describe('AlmaLinux’ OSV records', async () => {
  const records = await readFile('almalinux.osv.jsonl')
  test('an advisory covers its CVEs one by one, with the rating before its title', () => {
    const [first] = records
    assert.ok(first && 'advisory' in first)
    assert.deepEqual(first.advisory.aliases, [])
    assert.ok(first.advisory.covers?.every((cve) => cve.startsWith('CVE-')))
    assert.match(first.advisory.severity ?? '', /^(important|moderate|low|critical)$/)
  })

  test('a modular build carries its stream, or that the stream is not named', () => {
    const modules = records.flatMap((record) =>
      'advisory' in record ? record.advisory.affected.map((entry) => [entry.package, entry.module]) : [],
    )
    assert.ok(modules.some(([name, module]) => name === 'nodejs' && module === 'nodejs:20'))
    assert.ok(modules.some(([name, module]) => name === 'varnish' && module === ''))
    assert.ok(modules.some(([name, module]) => name === 'xz-libs' && module === undefined))
  })
})

describe('Red Hat’s VEX', async () => {
  test('packages of a release that never had it are ruled out; sources and other products are left out', async () => {
    const records = await readFile('red-hat-vex.json')
    const states = statesOf(records, 'CVE-2023-4154', 'Red Hat:9')
    assert.ok(states.includes('libsmbclient not-affected'), states.join())
    assert.ok(!states.some((state) => /\.src|oci/.test(state)))
    assert.deepEqual(
      [
        ...new Set(
          records.flatMap((record) =>
            'advisory' in record ? record.advisory.affected.map((entry) => entry.ecosystem) : [],
          ),
        ),
      ].toSorted(),
      ['Red Hat:6', 'Red Hat:7', 'Red Hat:8', 'Red Hat:9'],
    )
  })

  test('fixes carry epoch and module stream, and what is not mended says why', () => {
    const product = (id: string, helper: object): object => ({
      category: 'product_version',
      product: { product_id: id, product_identification_helper: helper },
    })
    const part = (id: string, of: string): object => ({
      product_reference: id,
      relates_to_product_reference: of,
      full_product_name: { product_id: `${of}:${id}` },
    })
    const records = readRecord({
      document: { csaf_version: '2.0', aggregate_severity: { text: 'Important' } },
      product_tree: {
        branches: [
          {
            branches: [
              product('AS9', { cpe: 'cpe:/a:redhat:enterprise_linux:9::appstream' }),
              product('EUS', { cpe: 'cpe:/a:redhat:rhel_eus:9.2::appstream' }),
              product('el8', { cpe: 'cpe:/o:redhat:enterprise_linux:8' }),
              product('new', {
                purl: 'pkg:rpm/redhat/nodejs@20.1-1.module%2Bel9?arch=x86_64&epoch=1&rpmmod=nodejs:20:9:c',
              }),
              product('mod', { purl: 'pkg:rpmmod/redhat/nodejs@18:9010020230301:rhel9' }),
              product('old', { purl: 'pkg:rpm/redhat/nodejs@18.1-1.module%2Bel9?arch=x86_64&epoch=1' }),
              product('src', { purl: 'pkg:rpm/redhat/nodejs@18.0-1.module%2Bel9?arch=src&epoch=1' }),
              product('lib', { purl: 'pkg:rpm/redhat/lib' }),
              product('dead', { purl: 'pkg:rpm/redhat/dead' }),
              product('later', { purl: 'pkg:rpm/redhat/later' }),
              product('un', { purl: 'pkg:rpmmod/redhat/nodejs:16/nodejs' }),
            ],
          },
        ],
        relationships: [
          part('new', 'AS9'),
          part('new', 'EUS'),
          part('mod', 'AS9'),
          part('old', 'AS9:mod'),
          part('src', 'AS9:mod'),
          part('lib', 'el8'),
          part('dead', 'el8'),
          part('later', 'el8'),
          part('un', 'el8'),
        ],
      },
      vulnerabilities: [
        {
          cve: 'CVE-2026-1000',
          product_status: {
            fixed: ['AS9:new', 'EUS:new', 'AS9:mod:old', 'AS9:mod:src'],
            known_affected: ['el8:lib', 'el8:dead', 'el8:later'],
            under_investigation: ['el8:un'],
          },
          remediations: [
            { category: 'no_fix_planned', details: 'Will not fix', product_ids: ['el8:lib'] },
            { category: 'no_fix_planned', details: 'Out of support scope', product_ids: ['el8:dead'] },
            { category: 'none_available', details: 'Fix deferred', product_ids: ['el8:later'] },
          ],
        },
      ],
    })
    assert.deepEqual(statesOf(records, 'CVE-2026-1000', 'Red Hat:9'), [
      'nodejs nodejs:18 1:18.1-1.module+el9',
      'nodejs nodejs:20 1:20.1-1.module+el9',
    ])
    assert.deepEqual(statesOf(records, 'CVE-2026-1000', 'Red Hat:8'), [
      'dead end-of-life',
      'later deferred',
      'lib will-not-fix',
      'nodejs unknown nodejs:16',
    ])
  })
})

describe('facts of CVEs', () => {
  test('CISA’s catalogue gives the day', async () => {
    const facts = (await readFile('kev.jsonl')).map((record) => ('fact' in record ? record.fact : undefined))
    assert.equal(facts.find((fact) => fact?.cve === 'CVE-2021-44228')?.exploitedSince, '2021-12-10')
  })

  test('EPSS gives probability and percentile, and refuses what is no share', async () => {
    const names = ['CVE-1999-0001', 'CVE-1999-0002', 'CVE-1999-0003']
    const rows: unknown[] = []
    for await (const read of readRecords(join(testdata, 'epss.csv')))
      if ('record' in read) rows.push(read.record)
    assert.equal(rows.length, names.length)
    assert.deepEqual(readRecord(rows[0]), [
      {
        fact: { cve: 'CVE-1999-0001', probability: 0.0046, percentile: 0.7385 },
        modifiedAt: Date.UTC(2026, 4, 18),
      },
    ])
    assert.throws(() => readRecord(rows[2]), /between 0 and 1/)
  })
})

describe('Node.js’ own advisories', async () => {
  const records = await readFile('node-core.jsonl')
  test('vulnerable lines end where a patched version begins', () => {
    const found = records.find(
      (record) => 'advisory' in record && record.advisory.covers?.includes('CVE-2023-32002'),
    )
    assert.ok(found && 'advisory' in found)
    assert.deepEqual(found.advisory.affected[0]?.ranges, [
      { events: [{ introduced: '16.0.0' }, { fixed: '16.20.2' }] },
      { events: [{ introduced: '18.0.0' }, { fixed: '18.17.1' }] },
      { events: [{ introduced: '20.0.0' }, { fixed: '20.5.1' }] },
    ])
  })
  test('a line without a patch ends with itself, and that is no fix', () => {
    const found = records.find((record) => 'advisory' in record && record.advisory.id === 'NSWG-CORE-2')
    assert.ok(found && 'advisory' in found)
    assert.ok(
      found.advisory.affected[0]?.ranges.some(
        ({ events }) => JSON.stringify(events) === '[{"introduced":"5.0.0"},{"limit":"6.0.0"}]',
      ),
    )
  })
})

describe('OSV records', () => {
  const base = { id: 'X-1', modified: '2026-01-01T00:00:00Z' }
  const affected = (ecosystem: string, fixed: string): object => ({
    package: { ecosystem, name: 'openssl' },
    ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }],
  })
  const entries = (record: SourceRecord): readonly string[] =>
    'advisory' in record
      ? record.advisory.affected.map((entry) => `${entry.ecosystem} ${show(entry)}`)
      : ['skipped']
  const cases: readonly [name: string, record: object, expected: readonly string[]][] = [
    ['withdrawn ones are skipped', { withdrawn: '2026-01-02T00:00:00Z', affected: [] }, ['skipped']],
    [
      'a notice on every crate is skipped',
      { affected: [{ database_specific: { informational: 'unmaintained' } }] },
      ['skipped'],
    ],
    [
      'Ubuntu’s terms are no part of the release',
      { affected: [affected('Ubuntu:22.04:LTS', '3')] },
      ['Ubuntu:22.04 openssl 3'],
    ],
    [
      'a fix for subscribers is none for the others',
      { affected: [affected('Ubuntu:Pro:18.04:LTS', '3+esm1')] },
      ['Ubuntu:18.04 openssl unfixed 3+esm1'],
    ],
    [
      'where everybody has a fix, that counts',
      { affected: [affected('Ubuntu:Pro:22.04:LTS', '4'), affected('Ubuntu:22.04:LTS', '3')] },
      ['Ubuntu:22.04 openssl 3'],
    ],
    ['Ubuntu’s FIPS builds are left out', { affected: [affected('Ubuntu:Pro:FIPS:22.04:LTS', '3')] }, []],
    [
      'Red Hat’s repositories of one release are one',
      {
        affected: [
          affected('Red Hat:enterprise_linux:9::baseos', '3'),
          affected('Red Hat:enterprise_linux:9::appstream', '3'),
          affected('Red Hat:rhel_eus:9.2::baseos', '2'),
        ],
      },
      ['Red Hat:9 openssl 3'],
    ],
    [
      'ranges of commits tell nothing of versions',
      { affected: [{ package: { ecosystem: 'npm', name: 'a' }, ranges: [{ type: 'GIT', events: [] }] }] },
      ['npm a'],
    ],
  ]
  for (const [name, record, expected] of cases)
    test(name, () => assert.deepEqual(entries(readOsv({ ...base, ...record })), expected))

  test('a malicious package is critical', () => {
    const read = readOsv({ ...base, id: 'MAL-2026-1', affected: [] })
    assert.ok('advisory' in read)
    assert.equal(read.advisory.severity, 'critical')
  })

  test('the newest CVSS version is the one that counts', () => {
    const severity = [
      { type: 'CVSS_V2', score: 'AV:N/AC:L/Au:N/C:C/I:C/A:C' },
      { type: 'CVSS_V3', score: 'CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N' },
    ]
    const read = readOsv({ ...base, severity, affected: [] })
    assert.ok('advisory' in read)
    assert.equal(read.advisory.score, 1.8)
  })
})

test('no record breaks a reader: it is read, or refused with a reason', () => {
  const keys = [
    'id',
    'affected',
    'ranges',
    'events',
    'package',
    'name',
    'ecosystem',
    'severity',
    'secfixes',
    'branch',
    'packages',
    'distroversion',
    'cves',
    'releases',
    'document',
    'csaf_version',
    'product_tree',
    'branches',
    'vulnerabilities',
    'product_status',
    'cve',
    'vulnerable',
    'patched',
    'epss',
    'cveID',
    'dateAdded',
    'introduced',
  ]
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom<unknown>(null, 0, -1, '', '0', 'CVE-2024-1234', 'npm', 'Debian:12', '>=1 <2', true),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...keys), tie('value'), { maxKeys: 6 }),
    ),
  })).value
  fc.assert(
    fc.property(json, (record) => {
      for (const adapter of sourceAdapters) {
        if (!adapter.accepts(record)) continue
        try {
          for (const read of adapter.read(record)) assert.ok(typeof read === 'object')
        } catch (error) {
          assert.ok(error instanceof Error && error.message !== '' && !(error instanceof RangeError))
          assert.doesNotMatch(error.message, /is not a function|Cannot read properties/)
        }
      }
    }),
    { numRuns: 500 },
  )
})

test('every listed adapter has a name of its own', () => {
  assert.equal(new Set(sourceAdapters.map(({ name }) => name)).size, sourceAdapters.length)
})
