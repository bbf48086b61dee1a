import assert from 'node:assert/strict'
import { test } from 'node:test'
import { joinIndex } from './judge.ts'
import type { RuleOutcome, Verdict, VerdictState } from './types.ts'

function verdict(state: VerdictState, ...reasons: RuleOutcome[]): Verdict {
  return { state, reasons, policyVersion: 1, judgedAt: 0 }
}
const passed: RuleOutcome = { rule: 'scanned', outcome: 'pass', message: 'scanned', level: 'organisation' }
function excepted(id: string): RuleOutcome {
  const exception = { id, reason: 'r', approvedBy: 'ada', until: '2026-12-31T00:00:00.000Z' }
  return { rule: 'scanned', outcome: 'fail', message: 'not scanned', level: 'organisation', exception }
}
const image = (one: Verdict): { kind: string; verdict: Verdict } => ({ kind: 'image', verdict: one })

const cases: readonly [name: string, own: Verdict, children: Verdict[], shown: (string | undefined)[]][] = [
  [
    'of the second platform, beside a clean first one',
    verdict('cleared'),
    [verdict('cleared', passed), verdict('cleared', excepted('e1'))],
    [undefined, 'e1'],
  ],
  [
    'of both platforms, each once',
    verdict('cleared'),
    [verdict('cleared', excepted('e1')), verdict('cleared', excepted('e1'), excepted('e2'))],
    ['e1', 'e2'],
  ],
  [
    'of a cleared platform, beside one that is quarantined',
    verdict('cleared'),
    [verdict('cleared', excepted('e1')), verdict('quarantined', passed)],
    [undefined, 'e1'],
  ],
  [
    'of the index itself',
    verdict('cleared', excepted('e0')),
    [verdict('cleared', passed), verdict('cleared', passed)],
    ['e0', undefined],
  ],
]
for (const [name, own, children, shown] of cases) {
  test(`the verdict on an index shows the exception ${name}`, () => {
    const { reasons } = joinIndex(own, children.map(image))
    assert.deepEqual(
      reasons.map(({ exception }) => exception?.id),
      shown,
    )
  })
}
