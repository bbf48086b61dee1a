import type { FindingReport, Inventory } from '../scanning/offline.ts'

/** What a rule said. */
export interface GateReason {
  readonly rule: string
  readonly outcome: 'pass' | 'fail' | 'undetermined'
  readonly message: string
  /** The level of the policy that asks. */
  readonly level?: string
  /** It does not count: `audit` only writes it down, `warn` shows it. */
  readonly mode?: 'audit' | 'warn'
  readonly exception?: {
    readonly id: string
    readonly reason: string
    readonly approvedBy: string
    readonly until: string
  }
}

export interface GateVerdict {
  readonly state: 'cleared' | 'failed' | 'undetermined' | 'unscannable'
  /** 0 cleared, 1 a rule failed, 3 could not be scanned or decided. */
  readonly exitCode: 0 | 1 | 3
  readonly reasons: readonly GateReason[]
}

/** What the gate says of one image, or of all images of an index. */
export interface GateResult {
  readonly target: {
    readonly name: string
    /** `oci-layout`, `docker-archive`, `rootfs`, `sbom`, `registry`, … */
    readonly kind: string
    readonly digest?: string
    readonly platform?: string
  }
  /** ISO 8601, as is `finishedAt`. */
  readonly startedAt: string
  readonly finishedAt: string
  /** What the image holds; absent when it could not be scanned. */
  readonly inventory?: Inventory
  /** Absent without a vulnerability database, or when it could not be scanned. */
  readonly report?: FindingReport
  readonly verdict: GateVerdict
  /** What to change, the most useful first. */
  readonly advice: readonly string[]
  /** One a platform, where the target is an index of several; the verdict above is that of the worst. */
  readonly images?: readonly GateResult[]
}
