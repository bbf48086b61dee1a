import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Digest } from '../../kernel/digest.ts'
import { formatNames, keyAlgorithms, type Claim, type Verification } from '../../signing/offline.ts'
import { countsAgainst } from '../counts-against.ts'
import { evaluatePolicy } from '../rules/index.ts'
import type { Rules, SignatureStatement } from '../rules-schema.ts'
import { allowedTags } from '../signatures/allowed-tags.ts'
import { conditionKey } from '../signatures/claim-key.ts'
import { judgeClause } from '../signatures/judge-clause.ts'
import { meetClauses, settleClauses } from '../signatures/meet-clauses.ts'
import { liftStatement, meet, settle, type Meet } from '../signatures/meet.ts'
import { modes, referenceBindings, type SignatureClause } from '../signatures/types.ts'
import type { Evidence, RuleOutcome } from '../types.ts'
import { canonicalJson } from './canonical-json.ts'
import { ruleSetOf } from './effective-policy.ts'
import type { PolicyLevel } from './types.ts'

const day = 86_400_000
const now = 20_000 * day
const runs = { numRuns: 1000 }

const signers = ['a', 'b', 'c', 'd'] as const
const claimNames = ['signature', 'provenance'] as const
const conditions = ['x', 'y'] as const
const references = [
  'r.example/shop/app:1.0',
  'r.example/shop/app:2.0',
  'r.example/shop/app',
  'r.example/dev/app:1.0',
  'no reference',
]
const digest = (text: string): Digest => `sha256:${text.padEnd(64, '0')}` as Digest

const perhaps = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(arbitrary, { nil: undefined })
/** What is good, so that policies are met often enough to tell. */
const mostly = <Value>(good: Value, other: fc.Arbitrary<Value>): fc.Arbitrary<Value> =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: other })
/** What is undefined is left out, as a document leaves it out. */
const sparse = <Value extends object>(shape: { [Key in keyof Value]-?: fc.Arbitrary<Value[Key]> }) =>
  fc.record(shape, { requiredKeys: [] }) as unknown as fc.Arbitrary<Value>

const clause = fc
  .record({
    name: fc.constantFrom('one', 'two'),
    claim: fc.constantFrom(...claimNames),
    signers: fc.subarray([...signers], { minLength: 1 }),
    threshold: perhaps(fc.integer({ min: 1, max: 3 })),
    conditions: fc.subarray([...conditions]),
  })
  .map(({ threshold, ...rest }) => ({
    ...rest,
    ...(threshold === undefined ? {} : { threshold: Math.min(threshold, rest.signers.length) }),
  }))

const statement = sparse<SignatureStatement>({
  mode: fc.constantFrom(...modes),
  formats: fc.subarray([...formatNames], { minLength: 1 }),
  keyAlgorithms: fc.subarray([...keyAlgorithms], { minLength: 1 }),
  require: fc.array(clause, { maxLength: 3 }),
  requireTimestamp: fc.boolean(),
  requireLog: fc.boolean(),
  maximumAgeDays: fc.constantFrom(1, 30, 90),
  bindReference: fc.constantFrom(...referenceBindings),
  lastKnownGoodHours: fc.constantFrom(0, 1, 24),
})

const rules = sparse<Rules>({
  scanned: fc.boolean(),
  findings: fc.record({ atLeast: fc.constantFrom('critical', 'high', 'low'), onlyFixed: fc.boolean() }),
  knownExploited: fc.constant(false as const),
  unknownFiles: fc.record({ max: fc.integer({ min: 0, max: 2 }) }),
  databaseAge: fc.record({ maxDays: fc.integer({ min: 0, max: 3 }) }),
  approvedBase: fc.boolean(),
  signatures: statement,
  // What nodes are asked has tests of its own.
  running: fc.constant({}),
})

const path = fc
  .array(rules, { minLength: 1, maxLength: 5 })
  .map((list) =>
    list.map((one, at): PolicyLevel => ({ level: at === 0 ? 'organisation' : `level ${at}`, rules: one })),
  )

const claim = fc
  .record({
    claim: fc.constantFrom(...claimNames),
    signer: fc.constantFrom(...signers),
    format: fc.constantFrom(...formatNames),
    keyAlgorithm: fc.constantFrom(...keyAlgorithms),
    manifest: fc.constantFrom('1', '2', '3').map(digest),
    reference: mostly('r.example/shop/app:1.0', perhaps(fc.constantFrom(...references))),
    provenAt: mostly(now, perhaps(fc.constantFrom(now - 100 * day, now - 10 * day))),
    isLogged: mostly(true, fc.boolean()),
    isTimestamped: mostly(true, fc.boolean()),
  })
  .map(({ reference, provenAt, ...rest }): Claim => ({
    status: 'verified',
    layer: digest('9'),
    ...rest,
    ...(reference === undefined ? {} : { reference }),
    ...(provenAt === undefined ? {} : { provenAt }),
  }))

const verification = (subject: string): fc.Arbitrary<Verification> =>
  fc
    .record({ claims: fc.array(claim, { maxLength: 20 }), unavailable: perhaps(fc.constant('gone')) })
    .map(({ claims, unavailable }) => ({
      subject: digest(subject),
      status: 'verified',
      claims,
      rejections: [],
      ...(unavailable === undefined ? {} : { unavailable }),
    }))

const evidence = fc
  .record({
    own: verification('a'),
    through: fc.array(verification('b'), { maxLength: 1 }),
    results: fc.array(mostly<boolean | string>(true, fc.constantFrom(false, 'error')), {
      minLength: 48,
      maxLength: 48,
    }),
    lastVerifiedAt: perhaps(fc.constantFrom(now, now - day)),
    state: mostly<'done' | 'missing'>('done', fc.constant('missing')),
    unknowns: mostly(0, fc.integer({ min: 0, max: 2 })),
    base: mostly<'approved' | 'unknown'>('approved', fc.constant('unknown')),
    severity: fc.constantFrom('critical' as const, 'high' as const, 'medium' as const),
    isFixed: fc.boolean(),
    isFound: mostly(false, fc.boolean()),
    age: mostly(0, fc.integer({ min: 0, max: 3 })),
  })
  .map((made): Evidence => {
    const results = new Map<string, boolean | string>()
    for (const one of [made.own, ...made.through].flatMap(({ claims }) => claims)) {
      for (const condition of conditions) {
        const result = made.results[results.size % made.results.length] ?? false
        results.set(conditionKey(one, condition), result)
      }
    }
    return {
      now,
      scan: {
        state: made.state,
        packages: 1,
        unknowns: Array.from({ length: made.unknowns }, () => ({ path: 'p', reason: 'r' })),
      },
      report: {
        databaseVersion: 'v',
        databaseBuiltAt: now - made.age * day,
        gaps: [],
        coverage: [],
        findings: made.isFound ? [finding(made.severity, made.isFixed)] : [],
      },
      signatures: {
        verification: made.own,
        through: made.through,
        boundTo: ['*/shop/app'],
        tags: ['1.0', '2.0'],
        conditions: results,
        ...(made.lastVerifiedAt === undefined ? {} : { lastVerifiedAt: made.lastVerifiedAt }),
      },
      base: { status: made.base },
    }
  })

function finding(severity: 'critical' | 'high' | 'medium', isFixed: boolean) {
  return {
    id: 'CVE-2026-1',
    aliases: [],
    severity,
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
    ...(isFixed ? { fixedVersion: '2' } : {}),
  }
}

const evaluate = (levels: readonly PolicyLevel[], known: Evidence): RuleOutcome[] =>
  evaluatePolicy(ruleSetOf(levels), known)
const passes = (levels: readonly PolicyLevel[], known: Evidence): boolean =>
  !evaluate(levels, known).some(countsAgainst)
const isEnforced = (levels: readonly PolicyLevel[]): boolean => {
  const { signatures } = ruleSetOf(levels)
  return signatures?.mode === 'enforce' && signatures.clauses.length > 0
}
const tagsOf = (levels: readonly PolicyLevel[], known: Evidence): readonly string[] =>
  allowedTags(ruleSetOf(levels).signatures, known) ?? known.signatures.tags

describe('the levels of a policy', () => {
  test('let nothing through that any prefix of the path does not', () => {
    let passed = 0
    fc.assert(
      fc.property(path, evidence, (levels, known) => {
        if (!passes(levels, known)) return
        if (isEnforced(levels)) passed++
        for (const [at] of levels.entries()) {
          assert.ok(passes(levels.slice(0, at + 1), known), `the first ${at + 1} levels refuse it`)
        }
      }),
      { numRuns: 2500, seed: 20_260 },
    )
    assert.ok(passed > 50, `only ${passed} passed that were asked for signatures, which shows little`)
  })

  test('never turn a refusal into a pass by one more, wherever it is put in', () => {
    let passed = 0
    fc.assert(
      fc.property(path, rules, fc.nat(), evidence, (levels, more, place, known) => {
        const at = 1 + (place % levels.length)
        const added = levels.toSpliced(at, 0, { level: 'added', rules: more })
        if (!passes(added, known)) return
        if (isEnforced(added)) passed++
        assert.ok(passes(levels, known))
      }),
      { numRuns: 2500, seed: 20_260 },
    )
    assert.ok(passed > 50, `only ${passed} passed that were asked for signatures, which shows little`)
  })

  test('never let an image be pulled under more tags by one more', () => {
    fc.assert(
      fc.property(path, rules, fc.nat(), evidence, (levels, more, place, known) => {
        const at = 1 + (place % levels.length)
        const added = levels.toSpliced(at, 0, { level: 'added', rules: more })
        if (!passes(added, known)) return
        const before = tagsOf(levels, known)
        for (const tag of tagsOf(added, known)) assert.ok(before.includes(tag), tag)
      }),
      { numRuns: 2500 },
    )
  })

  test('say the same in whichever order those below the organisation come', () => {
    fc.assert(
      fc.property(path, evidence, (levels, known) => {
        const turned = [...levels.slice(0, 1), ...levels.slice(1).toReversed()]
        assert.equal(passes(levels, known), passes(turned, known))
        assert.deepEqual(tagsOf(levels, known), tagsOf(turned, known))
      }),
      runs,
    )
  })

  test('ask once what two of them ask alike, in the name of the higher one', () => {
    const levels = ['organisation', 'stage prod'].map((level) => ({ level, rules: { scanned: true } }))
    const [known] = fc.sample(evidence, { numRuns: 1, seed: 1 })
    assert.deepEqual(
      evaluate(levels, known ?? assert.fail()).map(({ rule, level }) => [rule, level]),
      [['scanned', 'organisation']],
    )
  })

  test('are each told of with their own outcome where they ask differently', () => {
    const levels: PolicyLevel[] = [
      { level: 'organisation', rules: { unknownFiles: { max: 5 } } },
      { level: 'stage prod', rules: { unknownFiles: { max: 0 } } },
    ]
    const [known] = fc.sample(evidence, { numRuns: 1, seed: 1 })
    assert.deepEqual(
      evaluate(levels, known ?? assert.fail()).map(({ level }) => level),
      ['organisation', 'stage prod'],
    )
  })
})

const lifted = statement.map((one) => liftStatement(one, 'level'))

/** Without the order of things and the names of levels, which a meet does not promise. */
function plain({ clauses, ...rest }: Pick<Meet, 'clauses'>): string {
  return canonicalJson({ ...rest, clauses: plainClauses(clauses) })
}

function plainClauses(clauses: readonly SignatureClause[]): string[] {
  return clauses
    .map(({ name, claim: kind, threshold, signers: names, conditions: said }) =>
      canonicalJson({ name, kind, threshold, signers: names.toSorted(), conditions: said.toSorted() }),
    )
    .toSorted()
}

describe('the meet of what levels say of signatures', () => {
  test('is commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(lifted, lifted, lifted, (one, two, three) => {
        assert.equal(plain(meet(one, two)), plain(meet(two, one)))
        assert.equal(plain(meet(meet(one, two), three)), plain(meet(one, meet(two, three))))
        assert.equal(plain(meet(one, one)), plain(one))
        assert.equal(plain(settle(meet(one, one))), plain(settle(one)))
      }),
      runs,
    )
  })

  test('is not changed by a level that says nothing', () => {
    fc.assert(
      fc.property(lifted, (one) => {
        assert.equal(plain(meet(one, liftStatement({}, 'silent'))), plain(one))
      }),
      runs,
    )
  })

  test('never leaves a clause that its signers cannot meet', () => {
    fc.assert(
      fc.property(fc.array(lifted, { minLength: 1, maxLength: 4 }), (all) => {
        for (const { threshold, signers: names } of settle(all.reduce(meet)).clauses) {
          assert.ok(threshold <= names.length)
        }
      }),
      runs,
    )
  })

  test('drops only clauses that hold whenever the others do', () => {
    fc.assert(
      fc.property(fc.array(lifted, { minLength: 1, maxLength: 4 }), evidence, (all, { signatures }) => {
        const whole = all.reduce(meet)
        const policy = { ...settle(whole), formats: formatNames, keyAlgorithms }
        const isMet = (one: SignatureClause): boolean =>
          judgeClause({ policy, clause: one, evidence: signatures, now }).isMet
        assert.equal(settleClauses(whole.clauses).every(isMet), meetClauses(whole.clauses).every(isMet))
      }),
      runs,
    )
  })

  const release = { name: 'release', claim: 'signature', conditions: [] }
  const wide: SignatureClause = { ...release, signers: ['a', 'b', 'c'], threshold: 2, level: 'organisation' }
  const narrow: SignatureClause = { ...release, signers: ['a', 'b'], threshold: 1, level: 'stage prod' }

  test('gives a clause of the same name the threshold of the one that it narrows', () => {
    assert.deepEqual(settleClauses(meetClauses([wide, narrow])), [{ ...narrow, threshold: 2 }])
  })

  test('keeps both clauses of a name when neither narrows the other', () => {
    const other = { ...narrow, signers: ['c', 'd'] }
    assert.deepEqual(settleClauses(meetClauses([narrow, other])), [narrow, other])
    const otherClaim = { ...narrow, claim: 'provenance' }
    assert.deepEqual(settleClauses(meetClauses([narrow, otherClaim])), [narrow, otherClaim])
  })

  test('drops no clause for one that has fewer conditions', () => {
    const [conditional, plainOne] = [
      { ...wide, conditions: ['x'] },
      { ...narrow, threshold: 2 },
    ]
    assert.deepEqual(settleClauses([conditional, plainOne]), [conditional, plainOne])
  })

  test('adds the conditions of the wider clause to those of the narrower one', () => {
    const [settled] = settleClauses(
      meetClauses([
        { ...wide, conditions: ['x'] },
        { ...narrow, conditions: ['y'] },
      ]),
    )
    assert.deepEqual(settled?.conditions.toSorted(), ['x', 'y'])
  })
})
