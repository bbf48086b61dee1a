import type { BaseMatch } from '../baseimages/index.ts'
import type { FindingReport, Inventory } from '../scanning/offline.ts'
import type { SignatureReport } from '../signing/index.ts'

export type VerdictState = 'pending' | 'cleared' | 'recalled' | 'quarantined'

/** What a rule says of an image. Only `pass` counts as holding. */
export interface RuleOutcome {
  readonly rule: string
  readonly outcome: 'pass' | 'fail' | 'undetermined'
  /** What was found, and for anything but `pass` how to satisfy the rule. */
  readonly message: string
  readonly evidence?: Readonly<Record<string, unknown>>
}

/** What is known of an image when its rules are evaluated. */
export interface Evidence {
  readonly now: number
  readonly scan: {
    readonly state: 'missing' | 'done' | 'failed'
    readonly error?: string
    readonly packages: number
    readonly unknowns: Inventory['unknowns']
  }
  readonly report: FindingReport | undefined
  readonly signatures: SignatureReport
  readonly base: BaseMatch
}

export interface Verdict {
  readonly state: VerdictState
  readonly reasons: readonly RuleOutcome[]
  readonly policyVersion: number
  readonly judgedAt: number
  /** Until then a recalled image can still be pulled. */
  readonly graceUntil?: number
}

/** What somebody decided by hand. */
export interface ManualDecision {
  readonly kind: 'quarantine' | 'release'
  readonly reason: string
  readonly decidedBy: string
  readonly decidedAt: number
}

/** A verdict whose state is another than before. */
export interface VerdictChange {
  readonly repository: string
  readonly digest: string
  readonly kind: string
  readonly tags: readonly string[]
  /** Undefined: there was none. */
  readonly before: VerdictState | undefined
  readonly verdict: Verdict
}
