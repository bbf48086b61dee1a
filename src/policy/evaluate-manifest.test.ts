import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RuleException } from '../exceptions/index.ts'
import type { Digest } from '../kernel/digest.ts'
import { countsAgainst } from './counts-against.ts'
import { evaluateManifest } from './evaluate-manifest.ts'
import { ruleSetOf } from './levels/effective-policy.ts'
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
