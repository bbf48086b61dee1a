import type { BaseMatch } from '../baseimages/index.ts'
import type { FindingReport, Inventory } from '../scanning/offline.ts'
import type { Verification } from '../signing/offline.ts'
import type { Mode } from './signatures/types.ts'

export type VerdictState = 'pending' | 'cleared' | 'recalled' | 'quarantined'

/** What a rule says of an image. Only `pass` counts as holding. */
export interface RuleOutcome {
  readonly rule: string
  readonly outcome: 'pass' | 'fail' | 'undetermined'
  /** What was found, and for anything but `pass` how to satisfy the rule. */
  readonly message: string
  readonly evidence?: Readonly<Record<string, unknown>>
  /** The level of the policy that asks: `organisation`, `project shop`, `repositories prod/**`, `stage prod`, `others`. */
  readonly level?: string
  /** It is only written down, or shown, and does not count against the image. */
  readonly mode?: Extract<Mode, 'audit' | 'warn'>
  /** Two people let it through for a time; it is shown, and does not count against the image. */
  readonly exception?: {
    readonly id: string
    readonly reason: string
    readonly approvedBy: string
    /** ISO 8601. */
    readonly until: string
  }
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
  readonly signatures: SignatureEvidence
  readonly base: BaseMatch
}

/** Who is proven to have said what of an image, and what a policy needs beside that to count it. */
export interface SignatureEvidence {
  /** Of the image itself. */
  readonly verification: Verification
  /** Of the indexes here that list the image: what is said of them is said of it too. `subject` tells which. */
  readonly through?: readonly Verification[]
  /**
   * Names under which signers may know the image here, as `host/repository`, where the host `*` is any: those of
   * this repository and of those that it was promoted from. `namesForSigners` makes them.
   */
  readonly boundTo: readonly string[]
  /** The tags that the image has here; for a child of an index also those of the index. */
  readonly tags: readonly string[]
  /** By `conditionKey`: whether a condition holds of a claim; text says why it could not be evaluated. */
  readonly conditions: ReadonlyMap<string, boolean | string>
  /** When the same policy and signers last had a full answer that held: what `lastKnownGoodHours` counts from. */
  readonly lastVerifiedAt?: number
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
