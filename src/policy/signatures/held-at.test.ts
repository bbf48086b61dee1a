import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../../kernel/digest.ts'
import type { Verification } from '../../signing/offline.ts'
import type { RuleOutcome } from '../types.ts'
import { heldAt } from './held-at.ts'

const now = 1_000
const full: Verification = { subject: digestOf(''), status: 'verified', claims: [], rejections: [] }
const partial: Verification = { ...full, unavailable: 'the blob is gone' }
const say = (outcome: RuleOutcome['outcome'], rule = 'signatures'): RuleOutcome => ({
  rule,
  outcome,
  message: '',
})

const cases: readonly [
  name: string,
  outcomes: RuleOutcome[],
  verification: Verification,
  through: Verification[],
  expected: number | null | undefined,
][] = [
  ['a full view that holds is remembered', [say('pass')], full, [full], now],
  ['attack: a full view that fails takes the answer before away', [say('fail')], full, [], null],
  ['a full view of nothing takes the answer before away', [say('undetermined')], full, [], null],
  ['attack: what held only by the last answer does not renew it', [say('pass')], partial, [], undefined],
  ['attack: nor when only the index cannot be read', [say('pass')], full, [partial], undefined],
  ['an outage forgets nothing', [say('undetermined')], partial, [], undefined],
  ['other rules say nothing of signatures', [say('pass', 'scanned')], full, [], null],
  ['one of two that fails is not held', [say('pass'), say('fail')], full, [], null],
]
for (const [name, outcomes, verification, through, expected] of cases) {
  test(name, () => {
    const signatures = { verification, through, boundTo: [], tags: [], conditions: new Map() }
    assert.equal(heldAt(outcomes, { now, signatures }), expected)
  })
}
