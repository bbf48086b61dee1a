import type { GateReason } from '../types.ts'

/** An outcome in a word: how it ended, or `warn`, `audit` or `exception` for what is not met and does not count. */
export function wordOf({
  outcome,
  mode,
  exception,
}: Pick<GateReason, 'outcome' | 'mode' | 'exception'>): string {
  if (outcome === 'pass') return outcome
  return exception ? 'exception' : (mode ?? outcome)
}
