import { countsAgainst } from './counts-against.ts'
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
 * The verdict that follows. A quarantine by hand stands above the rules; a release above all but the rule on
 * signatures. Nothing counts against the image: cleared. What had been cleared and no longer holds is recalled, and
 * quarantined once its grace is over. Otherwise a failure quarantines, and what cannot be decided is pending:
 * undetermined is never as good as pass.
 */
export function decideVerdict(question: VerdictQuestion): Verdict {
  const { outcomes, manual, policyVersion, now } = question
  const common = { policyVersion, judgedAt: now }
  if (manual?.kind === 'quarantine') {
    return { ...common, state: 'quarantined', reasons: [byHand(manual, false), ...outcomes] }
  }
  const counted = outcomes.filter((outcome) => countsAgainst(outcome) && !(manual && isReleasable(outcome)))
  const reasons = manual ? [byHand(manual, counted.length > 0), ...outcomes] : outcomes
  if (counted.length === 0) return { ...common, state: 'cleared', reasons }
  return { ...common, reasons, ...stateOfUnmet(counted, question) }
}

/** What one person may let through. For signatures it takes two: an exception. */
function isReleasable({ rule }: RuleOutcome): boolean {
  return rule !== 'signatures'
}

function stateOfUnmet(
  counted: readonly RuleOutcome[],
  { previous, now, recallGraceMs }: VerdictQuestion,
): Pick<Verdict, 'state' | 'graceUntil'> {
  if (!wasCleared(previous)) {
    return { state: counted.some(({ outcome }) => outcome === 'fail') ? 'quarantined' : 'pending' }
  }
  const graceUntil = previous.state === 'recalled' ? (previous.graceUntil ?? now) : now + recallGraceMs
  return graceUntil > now ? { state: 'recalled', graceUntil } : { state: 'quarantined' }
}

/** Released by hand and then judged again counts as what the rules say, so only their own clearing is kept. */
function wasCleared(previous: Verdict | undefined): previous is Verdict {
  if (previous?.state === 'recalled') return true
  return previous?.state === 'cleared' && !previous.reasons.some(({ rule }) => rule === 'by hand')
}

function byHand(manual: ManualDecision, isHeldBack: boolean): RuleOutcome {
  const isQuarantine = manual.kind === 'quarantine'
  const but = isHeldBack
    ? '; a release does not stand above the rule signatures, for which two people have to approve an exception'
    : ''
  return {
    rule: 'by hand',
    outcome: isQuarantine ? 'fail' : 'pass',
    message: `${isQuarantine ? 'quarantined' : 'released'} by ${manual.decidedBy}: ${manual.reason}${but}`,
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
