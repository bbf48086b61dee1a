import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { digestOf } from '../kernel/digest.ts'
import { countsAgainst } from './counts-against.ts'
import { decideVerdict } from './decide-verdict.ts'
import { joinIndex } from './judge.ts'
import { stageOf } from './levels/effective-policy.ts'
import { defaultPolicyText, parsePolicy, type Rules } from './policy-document.ts'
import { parseProjectPolicy, refuseLooserProject } from './project-document.ts'
import { evaluatePolicy } from './rules/index.ts'
import type { Evidence, ManualDecision, RuleOutcome, Verdict } from './types.ts'

const day = 24 * 3_600_000
const now = 1_000 * day

const outcome = fc.constantFrom('pass' as const, 'fail' as const, 'undetermined' as const)
const outcomes = fc
  .array(outcome, { maxLength: 5 })
  .map((list) => list.map((one): RuleOutcome => ({ rule: 'r', outcome: one, message: '' })))
const previous = fc.option(
  fc.constantFrom('pending', 'cleared', 'recalled', 'quarantined').map((state): Verdict => {
    const grace = state === 'recalled' ? { graceUntil: now + day } : {}
    return { state: state, reasons: [], policyVersion: 1, judgedAt: 0, ...grace }
  }),
  { nil: undefined },
)

function decide(
  list: readonly RuleOutcome[],
  before: Verdict | undefined,
  manual?: ManualDecision,
  at = now,
): Verdict {
  return decideVerdict({
    outcomes: list,
    previous: before,
    manual,
    policyVersion: 1,
    recallGraceMs: 3 * day,
    now: at,
  })
}

describe('a verdict', () => {
  test('is cleared exactly when every rule passes, whatever was before', () => {
    fc.assert(
      fc.property(outcomes, previous, (list, before) => {
        const holds = list.every((one) => one.outcome === 'pass')
        assert.equal(decide(list, before).state === 'cleared', holds)
      }),
    )
  })

  test('is never quarantined without a failure, unless a recall ran out', () => {
    fc.assert(
      fc.property(outcomes, previous, (list, before) => {
        const { state } = decide(list, before)
        if (state === 'quarantined') assert.ok(list.some((one) => one.outcome === 'fail'))
      }),
    )
  })

  test('that was cleared is recalled with a grace, which does not grow, and quarantined after it', () => {
    const failed: RuleOutcome[] = [{ rule: 'r', outcome: 'fail', message: '' }]
    const cleared = decide([], undefined)
    const recalled = decide(failed, cleared)
    assert.equal(recalled.state, 'recalled')
    assert.equal(recalled.graceUntil, now + 3 * day)
    assert.equal(decide(failed, recalled, undefined, now + day).graceUntil, now + 3 * day)
    assert.equal(decide(failed, recalled, undefined, now + 3 * day).state, 'quarantined')
    assert.equal(decide([], recalled).state, 'cleared')
  })

  const manual = { reason: 'x', decidedBy: 'alice', decidedAt: now }

  test('by hand stands above the rules', () => {
    fc.assert(
      fc.property(outcomes, previous, (list, before) => {
        assert.equal(decide(list, before, { ...manual, kind: 'quarantine' }).state, 'quarantined')
        assert.equal(decide(list, before, { ...manual, kind: 'release' }).state, 'cleared')
      }),
    )
  })

  test('is not cleared by a release while the rule on signatures counts against it, and says so', () => {
    fc.assert(
      fc.property(outcomes, previous, outcome, (list, before, signed) => {
        const signatures: RuleOutcome = { rule: 'signatures', outcome: signed, message: '' }
        const verdict = decide([...list, signatures], before, { ...manual, kind: 'release' })
        assert.equal(verdict.state === 'cleared', signed === 'pass')
        const told = /does not stand above the rule signatures/.test(verdict.reasons[0]?.message ?? '')
        assert.equal(told, signed !== 'pass')
      }),
    )
  })

  test('is not changed by what only warns or is written down, nor by what has an exception', () => {
    fc.assert(
      fc.property(outcomes, outcomes, previous, (list, more, before) => {
        const modes = ['audit', 'warn'] as const
        const soft = more.map((one, at): RuleOutcome => ({ ...one, mode: modes[at % 2] ?? 'warn' }))
        const { state, graceUntil } = decide(list, before)
        const softened = decide([...list, ...soft], before)
        assert.deepEqual([softened.state, softened.graceUntil], [state, graceUntil])
        assert.equal(softened.reasons.length, list.length + soft.length)
      }),
    )
    assert.ok(!countsAgainst({ outcome: 'fail', exception: { id: 'e' } }))
    assert.ok(countsAgainst({ outcome: 'undetermined' }))
  })
})

describe('the verdict on an index', () => {
  const own = decide([], undefined)
  const child = (state: Verdict['state'], kind = 'image') => ({
    kind,
    verdict: { ...own, state, reasons: [{ rule: 'r', outcome: 'fail' as const, message: state }] },
  })
  const unsigned = decide([{ rule: 'signatures', outcome: 'undetermined', message: '' }], undefined)

  test('is the worst of its own and of those of what it lists', () => {
    assert.equal(joinIndex(own, [child('cleared'), child('quarantined')]).state, 'quarantined')
    assert.equal(joinIndex(unsigned, [child('cleared')]).state, 'pending')
    assert.equal(joinIndex(own, [child('cleared')]).state, 'cleared')
  })

  test('needs no signature when it lists only artifacts, but does for one image among them', () => {
    assert.equal(joinIndex(unsigned, [child('cleared', 'artifact')]).state, 'cleared')
    assert.equal(joinIndex(unsigned, []).state, 'cleared')
    assert.equal(joinIndex(unsigned, [child('cleared', 'artifact'), child('cleared')]).state, 'pending')
  })

  test('has the shortest grace of all that are recalled', () => {
    const recalled = (graceUntil: number) => ({
      kind: 'image',
      verdict: { ...own, state: 'recalled' as const, graceUntil },
    })
    assert.equal(joinIndex(own, [recalled(now + 2), recalled(now + 1)]).graceUntil, now + 1)
  })
})

function evidence(change: Partial<Evidence> = {}): Evidence {
  return {
    now,
    scan: { state: 'done', packages: 1, unknowns: [] },
    report: { databaseVersion: 'v', databaseBuiltAt: now - day, findings: [], gaps: [], coverage: [] },
    signatures: {
      verification: { subject: digestOf(''), status: 'unsigned', claims: [], rejections: [] },
      boundTo: [],
      tags: [],
      conditions: new Map(),
    },
    base: { status: 'unknown' },
    ...change,
  }
}

const evaluateRules = (rules: Rules, known: Evidence): RuleOutcome[] =>
  evaluatePolicy({ levels: [{ level: 'stage prod', rules }] }, known)

const finding = {
  id: 'CVE-2026-1',
  aliases: [],
  severity: 'critical' as const,
  summary: '',
  packageType: 'npm' as const,
  packageName: 'a',
  installedVersion: '1',
  purl: '',
  path: '',
  layer: 0,
  layerDigest: '',
  fixState: 'unknown' as const,
  source: '',
}
const exception = (status: 'not_affected' | 'affected' | 'under_investigation', isSuppressed: boolean) => ({
  id: 'e1',
  status,
  reason: '',
  approvedBy: 'sam',
  isSuppressed,
})
const report = (change: object): Partial<Evidence> => ({
  report: {
    databaseVersion: 'v',
    databaseBuiltAt: now - day,
    findings: [],
    gaps: [],
    coverage: [],
    ...change,
  },
})
const critical = { findings: { atLeast: 'critical' as const, onlyFixed: true } }

const cases: readonly [name: string, rules: Rules, change: Partial<Evidence>, expected: string][] = [
  ['scanned', { scanned: true }, {}, 'pass'],
  [
    'not scanned yet',
    { scanned: true },
    { scan: { state: 'missing', packages: 0, unknowns: [] } },
    'undetermined',
  ],
  [
    'pitfall 16: the scanner failed',
    { scanned: true },
    { scan: { state: 'failed', packages: 0, unknowns: [], error: 'x' } },
    'undetermined',
  ],
  ['no findings', critical, {}, 'pass'],
  ['pitfall 16: no database', critical, { report: undefined }, 'undetermined'],
  [
    'a critical finding with a fix',
    critical,
    report({ findings: [{ ...finding, fixedVersion: '2' }] }),
    'fail',
  ],
  ['a critical finding without a fix', critical, report({ findings: [finding] }), 'pass'],
  [
    'a critical finding without a fix, all asked',
    { findings: { atLeast: 'high' } },
    report({ findings: [finding] }),
    'fail',
  ],
  [
    'a finding below the line',
    critical,
    report({ findings: [{ ...finding, severity: 'high', fixedVersion: '2' }] }),
    'pass',
  ],
  ['what no source covers', critical, report({ gaps: [{ ecosystem: 'npm', packages: 3 }] }), 'undetermined'],
  [
    'a finding in what a later layer removed',
    critical,
    report({ findings: [{ ...finding, fixedVersion: '2', removedBy: { layerDigest: 'x' } }] }),
    'pass',
  ],
  [
    'a finding with an approved exception',
    critical,
    report({ findings: [{ ...finding, fixedVersion: '2', exception: exception('not_affected', true) }] }),
    'pass',
  ],
  [
    'a finding that is under investigation',
    critical,
    report({
      findings: [{ ...finding, fixedVersion: '2', exception: exception('under_investigation', false) }],
    }),
    'fail',
  ],
  [
    'an exploited finding with an approved exception',
    { knownExploited: false },
    report({
      findings: [{ ...finding, exploitedSince: '2024-01-01', exception: exception('affected', true) }],
    }),
    'pass',
  ],
  [
    'a finding known to be exploited, though it is low',
    { knownExploited: false },
    report({ findings: [{ ...finding, severity: 'low', exploitedSince: '2024-01-01' }] }),
    'fail',
  ],
  ['nothing known to be exploited', { knownExploited: false }, report({ findings: [finding] }), 'pass'],
  ['pitfall 16: exploited, no database', { knownExploited: false }, { report: undefined }, 'undetermined'],
  [
    'an unreadable file too many',
    { unknownFiles: { max: 0 } },
    { scan: { state: 'done', packages: 1, unknowns: [{ path: 'a', reason: 'cut off' }] } },
    'undetermined',
  ],
  ['no unreadable file', { unknownFiles: { max: 0 } }, {}, 'pass'],
  ['a young database', { databaseAge: { maxDays: 7 } }, {}, 'pass'],
  [
    'pitfall 16: an old database',
    { databaseAge: { maxDays: 7 } },
    report({ databaseBuiltAt: now - 8 * day }),
    'fail',
  ],
  [
    'an approved base',
    { approvedBase: true },
    { base: { status: 'approved', name: 'x', version: '1' } },
    'pass',
  ],
  [
    'a withdrawn base',
    { approvedBase: true },
    { base: { status: 'withdrawn', name: 'x', version: '1' } },
    'fail',
  ],
  ['an unknown base', { approvedBase: true }, {}, 'fail'],
]
for (const [name, rules, change, expected] of cases) {
  test(`rule: ${name} is ${expected}`, () => {
    assert.deepEqual(
      evaluateRules(rules, evidence(change)).map((one) => one.outcome),
      [expected],
    )
  })
}

test('a finding that an exception leaves out is named in the message and the evidence', () => {
  const findings = [{ ...finding, fixedVersion: '2', exception: exception('not_affected', true) }]
  const [outcome] = evaluateRules(critical, evidence(report({ findings })))
  assert.match(outcome?.message ?? '', /1 left out by exception: CVE-2026-1 in a not affected/)
  assert.match(JSON.stringify(outcome?.evidence), /"exception":"e1".*"approvedBy":"sam"/)
})

test('the built-in policy is valid, and the longest prefix tells the stage', () => {
  const policy = parsePolicy(defaultPolicyText)
  assert.equal(stageOf(policy, 'staging/a')?.name, 'staging')
  assert.equal(stageOf(policy, 'stagingx/a'), undefined)
  const nested = parsePolicy(
    'stages:\n  - {name: a, prefix: x, rules: {}}\n  - {name: b, prefix: x/y, rules: {}}\n',
  )
  assert.equal(stageOf(nested, 'x/y/app')?.name, 'b')
})

const mistakes: readonly [text: string, message: RegExp][] = [
  [
    'stages:\n  - name: dev\n    prefix: dev\n    rules: { scand: true }',
    /line 4: "scand" is not known here; did you mean scanned/,
  ],
  ['stages: []', /stages/],
  [
    'stages:\n  - {name: a, prefix: x, rules: {}}\n  - {name: a, prefix: y, rules: {}}',
    /two stages have the name a/,
  ],
  ['stages:\n  - {name: a, prefix: x, rules: {signedBy: {keys: [k]}}}', /"signedBy" is not known here/],
  [
    'stages: [{name: a, prefix: x, rules: {signatures: {require: [{name: r, signers: [k], threshold: 2}]}}}]',
    /stage a, clause r: a threshold of 2 can never be met by 1 signer/,
  ],
  ['stages: [{name: a, prefix: x, rules: {signatures: {require: [{name: r, signers: [k, k]}]}}}]', /signers/],
  [
    'stages: [{name: a, prefix: x, rules: {signatures: {require: [{name: r, signers: [k]}, {name: r, signers: [l]}]}}}]',
    /stage a has two clauses with the name r/,
  ],
  ['stages: [{name: a, prefix: x, rules: {signatures: {mode: strict}}}]', /mode/],
  ['stages: [{name: a, prefix: x, rules: {signatures: {modes: warn}}}]', /did you mean mode/],
  ['stages: [{name: a, prefix: x, rules: {signatures: {formats: []}}}]', /formats/],
  ['stages: [{name: a, prefix: x, rules: {}}]\nrepositories: [{pattern: A/**, rules: {}}]', /not a pattern/],
  [
    'stages: [{name: a, prefix: x, rules: {}}]\nrepositories: [{pattern: b, rules: {}}, {pattern: b, rules: {}}]',
    /two entries of repositories have the pattern b/,
  ],
  ['stages: [{name: a, prefix: x, rules: {}}]\norganisation: {mirrors: {K8S: registry.k8s.io}}', /mirrors/],
  ['stages: [{name: a, prefix: x, rules: {}}]\norganisation: {hosts: ["*"]}', /hosts/],
  ['stages:\n  - {name: a, prefix: x, rules: {findings: {atLeast: awful}}}', /atLeast/],
  ['a: [', /policy is not valid/],
  ['a: 1\na: 2', /unique/i],
]
for (const [text, message] of mistakes) {
  test(`refused: ${JSON.stringify(text.slice(0, 60))}`, () => assert.throws(() => parsePolicy(text), message))
}

test('the examples of docs/policy.md are a policy and one of a project that it takes', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/policy.md'), 'utf8')
  const [organisation = '', project = ''] = Array.from(
    page.matchAll(/^```yaml\n([\s\S]*?)^```/gm),
    ([, text = '']) => text,
  )
  assert.doesNotThrow(() =>
    refuseLooserProject(parsePolicy(organisation), 'shop', parseProjectPolicy(project, 'shop')),
  )
})
