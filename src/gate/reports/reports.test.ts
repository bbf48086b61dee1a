import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { Ajv } from 'ajv'
import { default as AjvDraft4 } from 'ajv-draft-04'
import { default as formats } from 'ajv-formats'
import fc from 'fast-check'
import { create } from 'xmlbuilder2'
import { fixStates, severities, type Finding, type Inventory } from '../../scanning/types.ts'
import type { GateResult } from '../types.ts'
import { cleanLine } from './clean-line.ts'
import { getReportFormat, reportFormats } from './index.ts'

const testdata = join(import.meta.dirname, 'testdata')
const layerDigest = `sha256:${'1'.repeat(64)}`

const inventory: Inventory = {
  operatingSystem: { id: 'debian', versionId: '12', prettyName: 'Debian GNU/Linux 12 (bookworm)' },
  layers: [{ digest: layerDigest, diffId: `sha256:${'2'.repeat(64)}`, instruction: 'ADD rootfs.tar /' }],
  packages: [
    {
      type: 'deb',
      name: 'libssl3',
      version: '3.0.11-1',
      sourceName: 'openssl',
      purl: 'pkg:deb/debian/libssl3@3.0.11-1?distro=debian-12',
      path: 'var/lib/dpkg/status',
      layer: 0,
    },
  ],
  unknowns: [{ path: 'opt/broken.jar', reason: 'its directory is cut off' }],
}

const critical: Finding = {
  id: 'CVE-2024-5535',
  aliases: ['DSA-5764-1'],
  severity: 'critical',
  score: 9.1,
  summary: 'A buffer overread in SSL_select_next_proto',
  packageType: 'deb',
  packageName: 'libssl3',
  installedVersion: '3.0.11-1',
  fixedVersion: '3.0.15-1',
  fixState: 'fixed',
  epss: { probability: 0.12, percentile: 0.9 },
  exploitedSince: '2024-08-01',
  purl: 'pkg:deb/debian/libssl3@3.0.11-1?distro=debian-12',
  path: 'var/lib/dpkg/status',
  layer: 0,
  layerDigest,
  instruction: 'ADD rootfs.tar /',
  source: 'debian-12.osv',
  base: 'debian:12.4',
}
const { fixedVersion: _fix, base: _base, score: _score, ...withoutFix } = critical
const low: Finding = { ...withoutFix, id: 'CVE-2023-1', severity: 'low', fixState: 'will-not-fix' }
const decided = { id: 'x1', approvedBy: 'sam', isSuppressed: true, reason: 'never called' } as const
const accepted: Finding = {
  ...low,
  id: 'GHSA-xxxx',
  exception: {
    ...decided,
    status: 'not_affected',
    justification: 'vulnerable_code_not_in_execute_path',
  },
}
const removed: Finding = { ...low, id: 'CVE-2022-9', removedBy: { layerDigest: 'sha256:33' } }

const failed: GateResult = {
  target: { name: 'build/web.tar', kind: 'docker-archive', digest: `sha256:${'ab'.repeat(32)}` },
  startedAt: '2026-11-25T03:00:00.000Z',
  finishedAt: '2026-11-25T03:00:05.500Z',
  inventory,
  report: {
    databaseVersion: 'v1',
    databaseBuiltAt: 0,
    findings: [critical, low, accepted, removed],
    gaps: [{ ecosystem: 'Maven', packages: 3 }],
    coverage: [],
  },
  verdict: {
    state: 'failed',
    exitCode: 1,
    reasons: [
      { rule: 'findings', outcome: 'fail', message: '1 known vulnerability is critical' },
      { rule: 'scanned', outcome: 'pass', message: 'scanned' },
    ],
  },
  advice: ['update libssl3 3.0.11-1 → 3.0.15-1 (fixes 1, 1 critical)'],
}
const cleared: GateResult = {
  ...failed,
  report: { ...(failed.report as NonNullable<GateResult['report']>), findings: [low] },
  verdict: { state: 'cleared', exitCode: 0, reasons: [] },
  advice: [],
}
const { report: _report, inventory: _inventory, ...unread } = failed
const unscannable: GateResult = {
  ...unread,
  verdict: {
    state: 'unscannable',
    exitCode: 3,
    reasons: [{ rule: 'scanned', outcome: 'undetermined', message: 'no tar' }],
  },
  advice: [],
}
const platforms: GateResult = {
  ...unread,
  images: [
    { ...failed, target: { ...failed.target, platform: 'linux/amd64' } },
    { ...cleared, target: { ...failed.target, platform: 'linux/arm64' } },
  ],
}

const nasty = [
  '\u001b[31mred\u001b[0m\u001b]0;title\u0007',
  '\u009b2J',
  '\u202egnp.exe',
  '</td><script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='x",
  ']]><x/>&amp;&#0;',
  '`code` @everyone #1 [link](https://evil.example) | cell \\| end \\',
  'a\r\nb\tc\u2028d\u0000e',
  '\ud800 lone \ufffe \u{e0041}',
  '__proto__',
  'x'.repeat(300),
  `a${' '.repeat(200)}b${'y'.repeat(100)} c`,
  '',
]

const text = fc.oneof(fc.constantFrom(...nasty), fc.string({ unit: 'binary', maxLength: 40 }))
const anyFinding: fc.Arbitrary<Finding> = fc
  .record(
    {
      id: text,
      aliases: fc.array(text, { maxLength: 3 }),
      severity: fc.constantFrom(...severities),
      score: fc.double({ min: 0, max: 10, noNaN: true }),
      summary: text,
      packageType: fc.constantFrom('deb' as const, 'npm' as const, 'maven' as const),
      packageName: text,
      installedVersion: text,
      fixedVersion: text,
      fixState: fc.constantFrom(...fixStates),
      purl: text,
      path: text,
      layer: fc.nat(3),
      layerDigest: text,
      instruction: text,
      source: text,
      base: text,
      exploitedSince: text,
      exception: fc.record({
        id: text,
        status: fc.constantFrom('not_affected' as const, 'affected' as const, 'fixed' as const),
        justification: text,
        reason: text,
        approvedBy: text,
        isSuppressed: fc.boolean(),
      }),
    },
    {
      requiredKeys: [
        'id',
        'aliases',
        'severity',
        'summary',
        'packageType',
        'packageName',
        'installedVersion',
        'fixState',
        'purl',
        'path',
        'layer',
        'layerDigest',
        'source',
      ],
    },
  )
  .map((finding) => finding as Finding)

const anyResult: fc.Arbitrary<GateResult> = fc
  .tuple(
    text,
    fc.array(anyFinding, { maxLength: 4 }),
    text,
    text,
    fc.constantFrom(failed, cleared, unscannable),
  )
  .map(([name, findings, message, advice, model]) => ({
    ...model,
    target: { name, kind: 'rootfs', platform: message },
    startedAt: message,
    inventory: {
      ...inventory,
      operatingSystem: { id: message, versionId: name, prettyName: advice },
      packages: inventory.packages.map((found) => ({ ...found, name, version: message, path: advice })),
      unknowns: [{ path: name, reason: message }],
    },
    report: {
      databaseVersion: '',
      databaseBuiltAt: 0,
      findings,
      gaps: [{ ecosystem: name, packages: 1 }],
      coverage: [],
    },
    verdict: { ...model.verdict, reasons: [{ rule: name, outcome: 'fail' as const, message }] },
    advice: [advice],
  }))

async function write(format: string, result: GateResult): Promise<string> {
  return String(await getReportFormat(format).write(result))
}

async function writeJson<Document>(format: string, result: GateResult): Promise<Document> {
  return JSON.parse(await write(format, result)) as Document
}

interface Validator {
  (value: unknown): boolean
  readonly errors?: unknown
}

function validators(): ReadonlyMap<string, Validator> {
  const library = dirname(createRequire(import.meta.url).resolve('@cyclonedx/cyclonedx-library/package.json'))
  const read = (file: string): object => JSON.parse(readFileSync(file, 'utf8')) as object
  const unpack = (file: string): object => JSON.parse(gunzipSync(readFileSync(file)).toString()) as object
  const draft4 = new AjvDraft4.default({ strict: false, unicodeRegExp: false })
  const draft7 = new Ajv({ strict: false })
  for (const ajv of [draft4, draft7]) formats.default(ajv)
  const bom = new Ajv({ strict: false, validateFormats: false })
  for (const name of ['spdx.SNAPSHOT.schema.json', 'jsf-0.82.SNAPSHOT.schema.json']) {
    bom.addSchema(read(join(library, 'res/schema', name)), `http://cyclonedx.org/schema/${name}`)
  }
  const spdx = join(import.meta.dirname, '../../scanning/sbom/testdata/spdx-2.3.schema.json.gz')
  return new Map<string, Validator>([
    ['sarif', draft4.compile(unpack(join(testdata, 'sarif-2.1.0-rtm.5.schema.json.gz')))],
    ['gitlab', draft7.compile(read(join(testdata, 'gitlab-container-scanning-15.0.2.schema.json')))],
    ['cyclonedx', bom.compile(read(join(library, 'res/schema/bom-1.6.SNAPSHOT.schema.json')))],
    ['spdx', draft7.compile(unpack(spdx))],
  ])
}

suite('reports', () => {
  const schemas = validators()

  for (const [name, validate] of schemas) {
    test(`${name} fits its official schema, whatever the verdict`, async () => {
      for (const result of [failed, cleared, unscannable, platforms]) {
        assert.ok(validate(await writeJson(name, result)), JSON.stringify(validate.errors))
      }
    })

    test(`${name} fits its official schema with any text in any field`, async () => {
      await fc.assert(
        fc.asyncProperty(anyResult, async (result) => {
          assert.ok(validate(await writeJson(name, result)), JSON.stringify(validate.errors))
        }),
        { numRuns: 60 },
      )
    })
  }

  test('the schemas refuse what is wrong', async () => {
    for (const [name, validate] of schemas) {
      const document = await writeJson<Record<string, unknown>>(name, failed)
      for (const key of ['runs', 'scan', 'specVersion', 'creationInfo']) delete document[key]
      assert.equal(validate(document), false, name)
    }
  })

  for (const { name } of reportFormats) {
    test(`${name} holds nothing that a terminal acts on or that is not seen`, async () => {
      await fc.assert(
        fc.asyncProperty(anyResult, async (result) => {
          const found = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u.exec(await write(name, result))
          assert.equal(found, null, JSON.stringify(found?.[0]))
        }),
        { numRuns: 80 },
      )
    })

    test(`${name} of one result always has the same bytes`, async () => {
      assert.equal(await write(name, failed), await write(name, failed))
    })
  }

  test('refuses a format that it does not know and names those that it does', () => {
    assert.throws(() => getReportFormat('pdf'), { code: 'REPORT_UNKNOWN', message: /sarif/ })
  })
})

suite('table', () => {
  test('is never wider than 80 columns', async () => {
    await fc.assert(
      fc.asyncProperty(anyResult, async (result) => {
        for (const line of (await write('table', result)).split('\n'))
          assert.ok(Array.from(line).length <= 80, line)
      }),
      { numRuns: 200 },
    )
  })

  test('tells what was found, what does not count, what is not known, what to change and the verdict', async () => {
    const shown = await write('table', failed)
    assert.match(shown, /critical\s+CVE-2024-5535\s+libssl3\s+3\.0\.11-1\s+3\.0\.15-1\s+base$/m)
    assert.match(shown, /2 findings: 1 critical, 1 low; 1 accepted and 1 in removed packages do not\s+count/)
    assert.match(shown, /not covered: Maven \(3 packages\)/)
    assert.match(shown, /could not be read: opt\/broken\.jar/)
    assert.match(shown, /What to change\n {2}- update libssl3/)
    assert.match(shown, /FAILED\n {2}fail {2}findings: 1 known vulnerability is critical/)
  })

  test('tells of each platform and of the whole', async () => {
    const shown = await write('table', platforms)
    assert.match(shown, /\(linux\/amd64\)[^]*\(linux\/arm64\)/)
    assert.match(shown, /FAILED\n.*\n.*\n?$/)
  })
})

suite('json', () => {
  test('holds the verdict and the findings, and only the number of packages', async () => {
    const document = await writeJson<GateResult & { inventory: { packages: number } }>('json', failed)
    assert.deepEqual(document.verdict, failed.verdict)
    assert.deepEqual(document.report, failed.report)
    assert.equal(document.inventory.packages, 1)
  })

  test('gives hostile text back unchanged', async () => {
    const advice = nasty.map((line) => line.toWellFormed())
    const document = await writeJson<GateResult>('json', { ...failed, advice })
    assert.deepEqual(document.advice, advice)
  })
})

interface Sarif {
  runs: {
    tool: { driver: { rules: { id: string; helpUri: string; properties: Record<string, string> }[] } }
    results: {
      ruleId: string
      suppressions?: unknown[]
      partialFingerprints: Record<string, string>
      locations: { physicalLocation: { artifactLocation: { uri: string } } }[]
    }[]
  }[]
}

suite('sarif', () => {
  test('gives each vulnerability a rule with a link and the score that hosts sort by', async () => {
    const [run] = (await writeJson<Sarif>('sarif', failed)).runs
    const [rule] = run?.tool.driver.rules ?? []
    assert.equal(rule?.id, 'CVE-2024-5535')
    assert.match(rule?.helpUri ?? '', /^https:.*CVE-2024-5535$/)
    assert.equal(rule?.properties['security-severity'], '9.1')
  })

  test('suppresses what is accepted, leaves out what was removed, and names the file', async () => {
    const [run] = (await writeJson<Sarif>('sarif', failed)).runs
    assert.deepEqual(
      run?.results.map(({ ruleId, suppressions }) => [ruleId, suppressions?.length]),
      [
        ['CVE-2024-5535', undefined],
        ['CVE-2023-1', undefined],
        ['GHSA-xxxx', 1],
      ],
    )
    assert.equal(run?.results[0]?.locations[0]?.physicalLocation.artifactLocation.uri, 'var/lib/dpkg/status')
  })

  test('fingerprints a finding the same when its severity, fix and version change, and no other finding', async () => {
    const prints = async (...findings: Finding[]): Promise<(string | undefined)[]> => {
      const report = { ...(failed.report as NonNullable<GateResult['report']>), findings }
      const [run] = (await writeJson<Sarif>('sarif', { ...failed, report })).runs
      return (run?.results ?? []).map(({ partialFingerprints }) => partialFingerprints['pratiqueFinding/v1'])
    }
    const later = { ...low, severity: 'high' as const, installedVersion: '3.0.12-1', fixedVersion: '9' }
    const [first, second, third] = await prints(low, later, critical)
    assert.equal(first, second)
    assert.notEqual(first, third)
  })

  test('has one run a platform', async () => {
    assert.equal((await writeJson<Sarif>('sarif', platforms)).runs.length, 2)
  })
})

interface Suite {
  '@name': string
  '@tests': string
  '@failures': string
  '@errors': string
  '@skipped': string
}

suite('junit', () => {
  const readSuites = async (result: GateResult): Promise<Suite[]> => {
    const root = create(await write('junit', result)).end({ format: 'object' })
    return [(root as unknown as { testsuites: { testsuite: Suite | Suite[] } }).testsuites.testsuite].flat()
  }

  test('fails the rules and findings of an image that failed, and skips what does not count', async () => {
    const [rules, findings] = await readSuites(failed)
    assert.deepEqual([rules?.['@tests'], rules?.['@failures']], ['2', '1'])
    assert.deepEqual([findings?.['@tests'], findings?.['@failures'], findings?.['@skipped']], ['4', '2', '2'])
  })

  test('fails nothing of an image that is cleared', async () => {
    const suites = await readSuites(cleared)
    assert.ok(suites.every((one) => one['@failures'] === '0' && one['@errors'] === '0'))
  })

  test('has an error where the image could not be scanned', async () => {
    assert.equal((await readSuites(unscannable))[0]?.['@errors'], '1')
  })

  test('is XML that can be read with any text in any field', async () => {
    await fc.assert(
      fc.asyncProperty(anyResult, async (result) => {
        assert.equal((await readSuites(result)).length, 2)
      }),
      { numRuns: 200 },
    )
  })
})

suite('gitlab', () => {
  test('names what does count with its package, system and fix', async () => {
    const document = await writeJson<{ vulnerabilities: Record<string, unknown>[] }>('gitlab', failed)
    assert.equal(document.vulnerabilities.length, 2)
    const [first] = document.vulnerabilities
    assert.equal(first?.['severity'], 'Critical')
    assert.match(String(first?.['solution']), /3\.0\.15-1/)
    assert.deepEqual(first?.['location'], {
      dependency: { package: { name: 'libssl3' }, version: '3.0.11-1' },
      operating_system: 'debian 12',
      image: 'build/web.tar',
    })
  })
})

interface Bom {
  components: { 'bom-ref': string; purl?: string }[]
  vulnerabilities: { id: string; affects: { ref: string }[]; analysis?: Record<string, string> }[]
}

suite('cyclonedx and spdx', () => {
  test('CycloneDX ties each vulnerability to its component and says why one does not count', async () => {
    const bom = await writeJson<Bom>('cyclonedx', failed)
    const component = bom.components.find(({ purl }) => purl === critical.purl)
    const about = (id: string): Bom['vulnerabilities'][number] | undefined =>
      bom.vulnerabilities.find((one) => one.id === id)
    assert.deepEqual(about('CVE-2024-5535')?.affects, [{ ref: component?.['bom-ref'] }])
    assert.equal(about('CVE-2024-5535')?.analysis, undefined)
    assert.equal(about('CVE-2022-9'), undefined)
    assert.deepEqual(about('GHSA-xxxx')?.analysis, {
      state: 'not_affected',
      justification: 'code_not_reachable',
      detail: 'never called',
    })
  })

  test('an exception that is still looked into leaves the finding counting, and CycloneDX says in triage', async () => {
    const exception = { ...decided, status: 'under_investigation' as const, isSuppressed: false }
    const report = {
      ...(failed.report as NonNullable<GateResult['report']>),
      findings: [{ ...low, exception }],
    }
    const bom = await writeJson<Bom>('cyclonedx', { ...failed, report })
    assert.equal(bom.vulnerabilities[0]?.analysis?.['state'], 'in_triage')
    assert.match(await write('table', { ...failed, report }), /\n1 finding: 1 low\n/)
  })

  test('SPDX names the advisories of a package', async () => {
    const document = await write('spdx', failed)
    assert.match(document, /"referenceType": "advisory",\s+"referenceLocator": "https:[^"]+CVE-2024-5535"/)
  })

  test('packages of all platforms are in one document', async () => {
    assert.equal((await writeJson<Bom>('cyclonedx', platforms)).components.length, 3)
  })
})

suite('html', () => {
  test('holds no tag and no attribute that came with the data', async () => {
    const tagsOf = (page: string): string[] =>
      [...page.matchAll(/<(\/?[a-z!][^\s>]*)([^>]*)>/gi)].map(
        ([, tag, rest]) => `${tag} ${attributesOf(rest ?? '')}`,
      )
    const report = {
      ...(failed.report as NonNullable<GateResult['report']>),
      findings: [{ ...low, packageType: 'npm' as const }],
    }
    const allowed = new Set(tagsOf(await write('html', platforms)))
    for (const tag of tagsOf(await write('html', { ...failed, report }))) allowed.add(tag)
    for (const tag of tagsOf(await write('html', unscannable))) allowed.add(tag)
    await fc.assert(
      fc.asyncProperty(anyResult, async (result) => {
        for (const tag of tagsOf(await write('html', result))) assert.ok(allowed.has(tag), tag)
      }),
      { numRuns: 150 },
    )
  })

  test('loads nothing from elsewhere and forbids what it does not need', async () => {
    const page = await write('html', failed)
    assert.doesNotMatch(page, /(src|srcset)=|@import|url\(|<link|<iframe/)
    assert.match(page, /default-src &#39;none&#39;/)
  })

  test('the policy allows exactly the script and the style of the page', async () => {
    const page = await write('html', failed)
    const { createHash } = await import('node:crypto')
    for (const kind of ['script', 'style']) {
      const inner = new RegExp(`<${kind}>([^]*)</${kind}>`).exec(page)?.[1] ?? ''
      const hash = createHash('sha256').update(inner).digest('base64')
      assert.ok(page.includes(`${kind}-src &#39;sha256-${hash}&#39;`), kind)
    }
  })
})

function attributesOf(rest: string): string {
  return [...rest.matchAll(/([a-z-]+)="/gi)].map(([, name]) => name).join(' ')
}

suite('markdown', () => {
  test('leads with the verdict and says what to change', async () => {
    assert.match(
      await write('markdown', failed),
      /^## Pratique: failed\n[^]*\*\*What to change\*\*\n\n- `update/,
    )
  })

  test('keeps foreign text inside code, where it can neither link, mention nor end a cell', async () => {
    await fc.assert(
      fc.asyncProperty(anyResult, async (result) => {
        const page = await write('markdown', result)
        for (const line of page.split('\n')) {
          const outside = line.replaceAll(/`[^`]*`/g, '')
          assert.doesNotMatch(outside, /[`@[\]]|https?:|<(?!\/?details>|\/?summary>)/)
          if (line.startsWith('| ')) assert.equal(line.split('|').length, 8, line)
        }
      }),
      { numRuns: 150 },
    )
  })
})

suite('clean text', () => {
  test('spells out what is not seen and leaves what is', () => {
    assert.equal(cleanLine('a\u202eb\u001b[1m é 漢 😀'), String.raw`a\u{202e}b\u{1b}[1m é 漢 😀`)
  })

  test('is never longer than asked, whatever is spelled out', () => {
    fc.assert(
      fc.property(text, fc.integer({ min: 2, max: 60 }), (one, maximum) => {
        const line = cleanLine(one, maximum)
        assert.ok(line.length <= maximum && line.isWellFormed(), line)
      }),
    )
    assert.equal(cleanLine('\u202e'.repeat(9), 12), String.raw`\u{202e}\u{…`)
  })

  test('is one line however many came', () => {
    assert.equal(cleanLine('a\r\n\tb\nc'), 'a b c')
  })
})
