import type { Justification, VexProduct, VexStatus } from './vex/types.ts'

export const exceptionStates = ['requested', 'approved', 'rejected', 'expired', 'withdrawn'] as const
export type ExceptionState = (typeof exceptionStates)[number]

/** Where an exception holds: everything that is named has to fit. `**` alone is the whole organisation. */
export interface ExceptionScope {
  /** Pattern over repository names; a name without wildcards is that repository. */
  readonly repositories: string
  /** One image, or the index that lists it. */
  readonly digest?: string
  /** Package URL, with or without a version; its qualifiers have to be among the package's. */
  readonly package?: string
  /** What the layers of this base image brought. */
  readonly base?: { readonly name: string; readonly version?: string }
}

/** Who did something: the stable subject, and the name that people know. */
export interface Person {
  readonly subject: string
  readonly name: string
}

export interface Exception {
  readonly id: string
  readonly state: ExceptionState
  /** Empty for an exception from a rule. */
  readonly vulnerability: string
  /** The rule of the policy from which it excepts, or one clause of it. */
  readonly rule?: { readonly name: string; readonly clause?: string }
  /** On whose authority it was approved, for an exception from a rule. */
  readonly authority?: string
  readonly aliases: readonly string[]
  /** `affected` says that the risk is accepted. */
  readonly status: VexStatus
  readonly justification?: Justification
  readonly reason: string
  readonly ticket?: string
  readonly scope: ExceptionScope
  /** What the VEX document that it came from is about; narrows the scope further. */
  readonly products?: readonly VexProduct[]
  readonly requestedBy: Person
  readonly requestedAt: number
  /** From then on it no longer holds. */
  readonly until: number
  readonly decision?: { readonly by: Person; readonly at: number; readonly reason?: string }
  readonly end?: { readonly by: string; readonly at: number; readonly reason?: string }
  readonly source?: { readonly digest: string; readonly author: string }
}

/** What happened to exceptions, for the audit log and for those who are to be told. */
export interface ExceptionChange {
  readonly kind: 'requested' | 'imported' | 'approved' | 'rejected' | 'withdrawn' | 'expired'
  /** One, except when a document was imported. */
  readonly exceptions: readonly Exception[]
}
