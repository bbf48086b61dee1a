import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Finding } from '../scanning/index.ts'
import { applyExceptions, type TrustedStatement } from './apply-exceptions.ts'
import type { Exception, ExceptionScope, ExceptionState } from './types.ts'
import type { ImageFacts } from './vex/matches.ts'
import { vexStatuses, type VexProduct, type VexStatus } from './vex/types.ts'

const now = 1_000_000
const digest = `sha256:${'1'.repeat(64)}`
const index = `sha256:${'3'.repeat(64)}`
const image: ImageFacts = {
  digest,
  repository: 'dev/team/shop',
  parents: [index],
  base: { name: 'node', version: '1.4.2', layers: 2 },
}
const finding: Finding = {
  id: 'CVE-2026-1',
  aliases: ['GHSA-aaaa-bbbb-cccc', 'GO-2026-7'],
  severity: 'critical',
  summary: '',
  packageType: 'npm',
  packageName: 'minimist',
  installedVersion: '0.2.3',
  fixState: 'unknown',
  purl: 'pkg:npm/minimist@0.2.3',
  path: 'app/package.json',
  layer: 1,
  layerDigest: '',
  source: '',
}

function exception(scope: Partial<ExceptionScope> = {}, change: Partial<Exception> = {}): Exception {
  return {
    id: 'e1',
    state: 'approved',
    vulnerability: 'CVE-2026-1',
    aliases: [],
    status: 'not_affected',
    justification: 'vulnerable_code_not_in_execute_path',
    reason: 'never called',
    scope: { repositories: '**', ...scope },
    requestedBy: { subject: 'user:1', name: 'dora' },
    requestedAt: 0,
    until: now + 1,
    decision: { by: { subject: 'user:2', name: 'sam' }, at: 10 },
    ...change,
  }
}

function holds(one: Exception, change: Partial<Finding> = {}, facts: Partial<ImageFacts> = {}): boolean {
  const [after] = applyExceptions([{ ...finding, ...change }], [one], { ...image, ...facts }, now)
  return after?.exception?.isSuppressed ?? false
}

const scopes: readonly [
  name: string,
  scope: Partial<ExceptionScope>,
  change: Partial<Finding>,
  holds: boolean,
][] = [
  ['the organisation', {}, {}, true],
  ['the repository', { repositories: 'dev/team/shop' }, {}, true],
  ['another repository', { repositories: 'dev/team/shop2' }, {}, false],
  ['a pattern over the repository', { repositories: 'dev/**' }, {}, true],
  ['a pattern of one part less', { repositories: 'dev/*' }, {}, false],
  ['a pattern over others', { repositories: 'prod/**' }, {}, false],
  ['the image', { digest }, {}, true],
  ['the index that lists the image', { digest: index }, {}, true],
  ['another image', { digest: `sha256:${'2'.repeat(64)}` }, {}, false],
  ['the image in another repository', { digest, repositories: 'prod/**' }, {}, false],
  ['the package', { package: 'pkg:npm/minimist' }, {}, true],
  ['the package in this version', { package: 'pkg:npm/minimist@0.2.3' }, {}, true],
  ['the package in another version', { package: 'pkg:npm/minimist@0.2.4' }, {}, false],
  ['another package', { package: 'pkg:npm/lodash' }, {}, false],
  ['the base image', { base: { name: 'node' } }, {}, true],
  ['the base image in this version', { base: { name: 'node', version: '1.4.2' } }, {}, true],
  ['the base image in another version', { base: { name: 'node', version: '1.4.1' } }, {}, false],
  ['another base image', { base: { name: 'java' } }, {}, false],
  ['the base image, the package in a layer on top of it', { base: { name: 'node' } }, { layer: 2 }, false],
  ['the base image and another package', { base: { name: 'node' }, package: 'pkg:npm/lodash' }, {}, false],
]
for (const [name, scope, change, isHeld] of scopes) {
  test(`an exception for ${name} ${isHeld ? 'holds' : 'does not hold'}`, () => {
    assert.equal(holds(exception(scope), change), isHeld)
  })
}

test('an exception for a base holds for no image whose base is not known', () => {
  const { base: _, ...facts } = image
  const [after] = applyExceptions([finding], [exception({ base: { name: 'node' } })], facts, now)
  assert.equal(after?.exception, undefined)
})

test('an exception holds under every name of the vulnerability, and under no other', () => {
  for (const vulnerability of ['CVE-2026-1', 'GHSA-aaaa-bbbb-cccc', 'ghsa-AAAA-bbbb-cccc', 'GO-2026-7']) {
    assert.ok(holds(exception({}, { vulnerability })), vulnerability)
  }
  assert.ok(holds(exception({}, { vulnerability: 'SNYK-1', aliases: ['CVE-2026-1'] })))
  for (const vulnerability of ['CVE-2026-10', 'CVE-2026', 'GHSA-aaaa', 'constructor', '__proto__']) {
    assert.ok(!holds(exception({}, { vulnerability })), vulnerability)
  }
})

test('an exception holds until its last millisecond, and not at its end', () => {
  assert.ok(holds(exception({}, { until: now + 1 })))
  assert.ok(!holds(exception({}, { until: now })))
  assert.ok(!holds(exception({}, { until: now - 1 })))
})

test('only what was approved holds', () => {
  for (const state of ['requested', 'rejected', 'expired', 'withdrawn'] satisfies ExceptionState[]) {
    assert.ok(!holds(exception({}, { state })), state)
  }
})

test('a risk that was accepted quietens a finding, one that is looked into does not', () => {
  const quietens: Record<VexStatus, boolean> = {
    not_affected: true,
    fixed: true,
    affected: true,
    under_investigation: false,
  }
  for (const status of vexStatuses) assert.equal(holds(exception({}, { status })), quietens[status], status)
  const [after] = applyExceptions([finding], [exception({}, { status: 'under_investigation' })], image, now)
  assert.equal(after?.exception?.status, 'under_investigation', 'it is shown all the same')
})

test('of two exceptions the one approved last is what holds', () => {
  const by = { subject: 'user:2', name: 'sam' }
  const quiet = exception({}, { id: 'quiet', decision: { by, at: 20 } })
  const loud = exception({}, { id: 'loud', status: 'under_investigation', decision: { by, at: 30 } })
  const [after] = applyExceptions([finding], [quiet, loud], image, now)
  assert.equal(after?.exception?.id, 'loud')
})

test('what was imported holds for the products of its document only', () => {
  const of = (id: string): { products: VexProduct[] } => ({ products: [{ id, subcomponents: [] }] })
  assert.ok(holds(exception({}, of('pkg:npm/minimist'))))
  assert.ok(!holds(exception({}, of('pkg:npm/lodash'))))
  assert.ok(!holds(exception({ repositories: 'prod/**' }, of('pkg:npm/minimist'))))
})

const attested = (change: Partial<TrustedStatement> = {}): TrustedStatement => ({
  vulnerability: 'CVE-2026-1',
  aliases: [],
  status: 'not_affected',
  justification: 'component_not_present',
  products: [],
  author: 'Vendor',
  timestamp: 5,
  source: digest,
  signer: 'vendor',
  ...change,
})

test('a trusted attestation quietens with not affected and fixed, and accepts no risk', () => {
  const quietens = (change: Partial<TrustedStatement>): boolean | undefined =>
    applyExceptions([finding], [], image, now, [attested(change)])[0]?.exception?.isSuppressed
  assert.equal(quietens({}), true)
  assert.equal(quietens({ status: 'fixed' }), true)
  assert.equal(quietens({ status: 'affected' }), false)
  assert.equal(quietens({ status: 'under_investigation' }), false)
  assert.equal(quietens({ products: [{ id: 'pkg:npm/lodash', subcomponents: [] }] }), undefined)
  assert.equal(quietens({ vulnerability: 'CVE-2026-2' }), undefined)
})

test('a later statement of a trusted signer takes an earlier one back', () => {
  const statements = [attested({ timestamp: 5 }), attested({ timestamp: 6, status: 'affected' })]
  const [after] = applyExceptions([finding], [], image, now, statements)
  assert.equal(after?.exception?.status, 'affected')
  assert.equal(after?.exception?.isSuppressed, false)
})

test('what a person approved stands before what an attestation says', () => {
  const one = exception({}, { status: 'under_investigation' })
  const [after] = applyExceptions([finding], [one], image, now, [attested()])
  assert.equal(after?.exception?.id, 'e1')
})

test('findings stay as they are, in their order, whatever the exceptions', () => {
  const some = fc.array(fc.constantFrom('CVE-2026-1', 'CVE-2026-2', 'GO-2026-7', '__proto__', 'toString'))
  fc.assert(
    fc.property(some, some, (ids, vulnerabilities) => {
      const findings = ids.map((id) => ({ ...finding, id, aliases: [] }))
      const exceptions = vulnerabilities.map((vulnerability) => exception({}, { vulnerability }))
      const after = applyExceptions(findings, exceptions, image, now)
      assert.deepEqual(
        after.map((one) => ({ ...one, exception: undefined })),
        findings.map((one) => ({ ...one, exception: undefined })),
      )
      for (const one of after)
        assert.equal(one.exception !== undefined, (vulnerabilities as string[]).includes(one.id))
    }),
  )
})
