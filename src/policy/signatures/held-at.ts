import type { Evidence, RuleOutcome } from '../types.ts'

/** As it would be once another policy were in force: no answer from before would stand in for one then. */
export function withoutLastAnswer(evidence: Evidence): Evidence {
  const { lastVerifiedAt: _, ...signatures } = evidence.signatures
  return { ...evidence, signatures }
}

/**
 * What is to be remembered as the last time that signatures held. Only a full view says anything, and one that does not
 * hold takes the answer before away: undefined keeps it, null forgets it. What held by the last answer alone renews
 * nothing, or it would hold for ever.
 */
export function heldAt(
  outcomes: readonly RuleOutcome[],
  { now, signatures: { verification, through = [] } }: Pick<Evidence, 'now' | 'signatures'>,
): number | null | undefined {
  if ([verification, ...through].some(({ unavailable }) => unavailable !== undefined)) return undefined
  const said = outcomes.filter(({ rule }) => rule === 'signatures')
  return said.length > 0 && said.every(({ outcome }) => outcome === 'pass') ? now : null
}
