import type { ManualDecision, RuleOutcome, Verdict, VerdictState } from './types.ts'

export interface VerdictQuestion {
  readonly outcomes: readonly RuleOutcome[]
  readonly previous: Verdict | undefined
  /** The newest decision by hand that holds for the digest in this repository. */
  readonly manual: ManualDecision | undefined
  readonly policyVersion: number
  readonly recallGraceMs: number
  readonly now: number
}

/**
 * The verdict that follows. A decision by hand stands above the rules. All rules pass: cleared. What had been
 * cleared and no longer holds is recalled, and quarantined once its grace is over. Otherwise a failure
 * quarantines, and what cannot be decided is pending: undetermined is never as good as pass.
 */
export function decideVerdict(question: VerdictQuestion): Verdict {
  const { outcomes, previous, manual, policyVersion, now } = question
  const common = { policyVersion, judgedAt: now }
  if (manual) {
    const state = manual.kind === 'quarantine' ? ('quarantined' as const) : ('cleared' as const)
    return { ...common, state, reasons: [byHand(manual), ...outcomes] }
  }
  const holds = outcomes.every(({ outcome }) => outcome === 'pass')
  if (holds) return { ...common, state: 'cleared', reasons: outcomes }
  const isFailed = outcomes.some(({ outcome }) => outcome === 'fail')
  if (wasCleared(previous)) {
    const graceUntil =
      previous.state === 'recalled' ? (previous.graceUntil ?? now) : now + question.recallGraceMs
    if (graceUntil > now) return { ...common, state: 'recalled', reasons: outcomes, graceUntil }
    return { ...common, state: 'quarantined', reasons: outcomes }
  }
  return { ...common, state: isFailed ? 'quarantined' : 'pending', reasons: outcomes }
}

/** Released by hand and then judged again counts as what the rules say, so only their own clearing is kept. */
function wasCleared(previous: Verdict | undefined): previous is Verdict {
  if (!previous) return false
  const isByHand = previous.reasons.some(({ rule }) => rule === 'by hand')
  return !isByHand && (previous.state === 'cleared' || previous.state === 'recalled')
}

function byHand(manual: ManualDecision): RuleOutcome {
  const isQuarantine = manual.kind === 'quarantine'
  return {
    rule: 'by hand',
    outcome: isQuarantine ? 'fail' : 'pass',
    message: `${isQuarantine ? 'quarantined' : 'released'} by ${manual.decidedBy}: ${manual.reason}`,
    evidence: { decidedAt: new Date(manual.decidedAt).toISOString() },
  }
}

const badness: Readonly<Record<VerdictState, number>> = {
  cleared: 0,
  recalled: 1,
  pending: 2,
  quarantined: 3,
}

/** An index is as good as the worst of what it lists. */
export function worstOf(verdicts: readonly Verdict[]): Verdict | undefined {
  return verdicts.toSorted((left, right) => badness[right.state] - badness[left.state])[0]
}
