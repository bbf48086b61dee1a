import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RuleException } from '../exceptions/index.ts'
import type { Digest } from '../kernel/digest.ts'
import { countsAgainst } from './counts-against.ts'
import { evaluateManifest } from './evaluate-manifest.ts'
import { ruleSetOf } from './levels/effective-policy.ts'
import type { PolicyLevel } from './levels/types.ts'
import type { Rules } from './rules-schema.ts'
import type { Evidence } from './types.ts'

const digest = `sha256:${'1'.repeat(64)}` as Digest
const evidence: Evidence = {
  now: 0,
  scan: { state: 'missing', packages: 0, unknowns: [] },
  report: undefined,
  signatures: {
    verification: { subject: digest, status: 'unsigned', claims: [], rejections: [] },
    boundTo: ['*/prod/app'],
    tags: ['1'],
    conditions: new Map(),
  },
  base: { status: 'unknown' },
}
const clause = (name: string): { name: string; signers: string[] } => ({ name, signers: ['alice'] })
const policy = ruleSetOf([
  { level: 'organisation', rules: { scanned: true, signatures: { require: [clause('release')] } } },
  { level: 'project shop', rules: { approvedBase: true, signatures: { require: [clause('shop')] } } },
])

function exception(change: Partial<RuleException> = {}): RuleException {
  return {
    id: 'e1',
    rule: 'signatures',
    authority: 'organisation',
    reason: 'r',
    approvedBy: 'bob',
    until: 1,
    ...change,
  }
}

function counted(...exceptions: RuleException[]): string[] {
  return evaluateManifest(policy, evidence, 'image', exceptions)
    .outcomes.filter(countsAgainst)
    .map(({ rule, level }) => `${rule} of ${level}`)
}

test('without exceptions everything that does not hold counts', () => {
  assert.deepEqual(counted(), [
    'scanned of organisation',
    'approvedBase of project shop',
    'signatures of organisation + project shop',
  ])
})

const cases: readonly [name: string, exception: RuleException, left: string[]][] = [
  [
    'a rule',
    exception({ rule: 'scanned' }),
    ['approvedBase of project shop', 'signatures of organisation + project shop'],
  ],
  ['all clauses', exception(), ['scanned of organisation', 'approvedBase of project shop']],
  [
    'one clause',
    exception({ clause: 'release' }),
    ['scanned of organisation', 'approvedBase of project shop', 'signatures of project shop'],
  ],
  ['a clause that there is not', exception({ clause: 'other' }), counted()],
  [
    'what the project asks, by its authority',
    exception({ rule: 'approvedBase', authority: 'project shop' }),
    ['scanned of organisation', 'signatures of organisation + project shop'],
  ],
  [
    'clauses, by authority of the project: only its own',
    exception({ authority: 'project shop' }),
    ['scanned of organisation', 'approvedBase of project shop', 'signatures of organisation'],
  ],
  [
    'what the organisation asks, by authority of a project: nothing',
    exception({ rule: 'scanned', authority: 'project shop' }),
    counted(),
  ],
  [
    'by authority of a project whose name begins alike: nothing',
    exception({ rule: 'approvedBase', authority: 'project sho' }),
    counted(),
  ],
]
for (const [name, one, left] of cases) {
  test(`an exception from ${name}`, () => {
    assert.deepEqual(counted(one), left)
    const shown = evaluateManifest(policy, evidence, 'image', [one]).outcomes.filter((each) => each.exception)
    for (const outcome of shown) {
      assert.notEqual(outcome.outcome, 'pass', 'what is excepted is still shown as not met')
      assert.equal(outcome.exception?.approvedBy, 'bob')
    }
  })
}

// What a project says too, it may not except from: it could otherwise loosen whatever the organisation asks.
const higher: readonly (readonly [level: string, rules: Rules])[] = [
  ['organisation', { approvedBase: true, signatures: { require: [clause('release')] } }],
  ['repositories prod/**', { approvedBase: true, signatures: { require: [clause('release')] } }],
  ['stage prod', { approvedBase: true, signatures: { require: [clause('release')] } }],
  [
    'stage prod',
    { approvedBase: true, signatures: { require: [{ name: 'release', signers: ['alice', 'bob'] }] } },
  ],
]
for (const [level, rules] of higher) {
  const signers = rules.signatures?.require?.[0]?.signers.join(' or ')
  test(`attack: a project repeats what ${level} asks (${signers}), and excepts from its own words`, () => {
    const own = { approvedBase: true, signatures: { require: [clause('release')] } }
    // In the order of the path, on which a project stands above a stage.
    const levels = [
      ...(level === 'stage prod' ? [] : [{ level, rules }]),
      { level: 'project prod', rules: own },
      { level: 'project prod, repositories prod/**', rules: own },
      ...(level === 'stage prod' ? [{ level, rules }] : []),
    ]
    const exceptions = ['signatures', 'approvedBase'].map((rule) =>
      exception({ rule, authority: 'project prod' }),
    )
    const { outcomes, signatures } = evaluateManifest(ruleSetOf(levels), evidence, 'image', exceptions)
    assert.deepEqual(
      outcomes.filter(countsAgainst).map((outcome) => `${outcome.rule} of ${outcome.level}`),
      [`approvedBase of ${level}`, `signatures of ${level}`],
    )
    assert.deepEqual(
      signatures?.clauses.map((each) => each.level),
      [level],
      'nor are tags freed',
    )
  })
}

test('a clause that narrows one of the organisation and is excepted from leaves that one standing', () => {
  const wide = { name: 'release', signers: ['alice', 'bob'] }
  const levels = [
    { level: 'organisation', rules: { signatures: { require: [wide] } } },
    { level: 'project prod', rules: { signatures: { require: [clause('release')] } } },
  ]
  const byBob = { ...evidence, signatures: { ...evidence.signatures, verification: claimsOf('bob') } }
  const given = [exception({ authority: 'project prod' })]
  const outcomesOf = (known: Evidence): string[] =>
    evaluateManifest(ruleSetOf(levels), known, 'image', given).outcomes.map(
      ({ outcome, level, exception: by }) => `${outcome} of ${level}${by ? ', excepted' : ''}`,
    )
  assert.deepEqual(outcomesOf(byBob), ['pass of organisation', 'undetermined of project prod, excepted'])
  assert.deepEqual(outcomesOf(evidence), [
    'undetermined of organisation',
    'undetermined of project prod, excepted',
  ])
})

function claimsOf(...signers: string[]): Evidence['signatures']['verification'] {
  const claims = signers.map((signer) => ({
    status: 'verified' as const,
    claim: 'signature',
    signer,
    format: 'sigstore-bundle' as const,
    keyAlgorithm: 'ecdsa-p256' as const,
    manifest: digest,
    layer: digest,
    isLogged: false,
    isTimestamped: false,
  }))
  return { subject: digest, status: claims.length > 0 ? 'verified' : 'unsigned', claims, rejections: [] }
}

test('whatever a project says and excepts from, nothing goes through that the organisation alone would refuse', () => {
  const statement = fc.record(
    {
      scanned: fc.boolean(),
      approvedBase: fc.boolean(),
      unknownFiles: fc.record({ max: fc.integer({ min: 0, max: 1 }) }),
      signatures: fc.record(
        {
          mode: fc.constantFrom('warn' as const, 'enforce' as const),
          bindReference: fc.constantFrom('none' as const, 'tag' as const),
          require: fc.array(
            fc.record({
              name: fc.constantFrom('one', 'two'),
              signers: fc.subarray(['alice', 'bob', 'carol'], { minLength: 1 }),
            }),
            { maxLength: 3 },
          ),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  )
  const own = ['project prod', 'project prod, repositories prod/**']
  const levels = fc
    .shuffledSubarray(['organisation', 'repositories prod/**', 'stage prod', ...own], { minLength: 1 })
    .chain((names) =>
      fc.tuple(...names.map((level) => statement.map((rules) => ({ level, rules: rules as Rules })))),
    )
  const known = fc
    .record({
      signers: fc.subarray(['alice', 'bob', 'carol']),
      state: fc.constantFrom('done' as const, 'missing' as const),
      status: fc.constantFrom('approved' as const, 'unknown' as const),
    })
    .map(({ signers, state, status }): Evidence => ({
      ...evidence,
      scan: { ...evidence.scan, state },
      signatures: { ...evidence.signatures, verification: claimsOf(...signers) },
      base: { status },
    }))
  const given = fc.array(
    fc.record({
      rule: fc.constantFrom('signatures', 'scanned', 'approvedBase', 'unknownFiles'),
      clause: fc.option(fc.constantFrom('one', 'two'), { nil: undefined }),
      by: fc.constantFrom('project prod', 'project other'),
    }),
    { maxLength: 5 },
  )
  const passes = (
    of: readonly PolicyLevel[],
    about: Evidence,
    kind: string,
    by: readonly RuleException[],
  ): boolean => !evaluateManifest(ruleSetOf(of), about, kind, by).outcomes.some(countsAgainst)
  let excepted = 0
  fc.assert(
    fc.property(levels, known, given, fc.constantFrom('image', 'index'), (path, about, list, kind) => {
      const exceptions = list.map(({ clause: name, by, ...one }) =>
        exception({ ...one, authority: by, ...(name === undefined ? {} : { clause: name }) }),
      )
      if (!passes(path, about, kind, exceptions)) {
        assert.ok(!passes(path, about, kind, []), 'no exception makes a verdict worse')
        return
      }
      if (!passes(path, about, kind, [])) excepted++
      const theirs = path.filter(({ level }) => !own.includes(level))
      assert.ok(passes(theirs, about, kind, []))
    }),
    { numRuns: 5_000 },
  )
  assert.ok(excepted > 20, `only ${excepted} needed their exceptions`)
})

test('what holds needs no exception, and shows none', () => {
  const scanned: Evidence = { ...evidence, scan: { state: 'done', packages: 1, unknowns: [] } }
  const { outcomes } = evaluateManifest(policy, scanned, 'image', [exception({ rule: 'scanned' })])
  assert.equal(outcomes.find(({ rule }) => rule === 'scanned')?.exception, undefined)
})

test('an exception only ever takes away what it names', () => {
  const rules = fc.constantFrom('signatures', 'scanned', 'approvedBase', 'findings')
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          rule: rules,
          clause: fc.option(fc.constantFrom('release', 'shop'), { nil: undefined }),
          authority: fc.constantFrom('organisation', 'project shop', 'project other'),
        }),
        { maxLength: 4 },
      ),
      (given) => {
        const exceptions = given.map(({ clause: name, ...one }) =>
          exception({ ...one, ...(name === undefined ? {} : { clause: name }) }),
        )
        const left = counted(...exceptions)
        for (const rule of ['scanned', 'approvedBase']) {
          if (exceptions.every((one) => one.rule !== rule)) {
            assert.ok(left.some((each) => each.startsWith(`${rule} `)))
          }
        }
        if (exceptions.every((one) => one.rule !== 'signatures' || one.authority === 'project other')) {
          assert.ok(left.includes('signatures of organisation + project shop'))
        }
      },
    ),
  )
})
