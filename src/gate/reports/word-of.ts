import type { GateReason } from '../types.ts'

/** An outcome in a word: how it ended, or `warn` or `audit` for what is not met and does not count. */
export function wordOf({ outcome, mode }: Pick<GateReason, 'outcome' | 'mode'>): string {
  return outcome === 'pass' ? outcome : (mode ?? outcome)
}
