import type { FormatName, KeyAlgorithm } from '../../signing/offline.ts'

/** `off` asks nothing; `audit` only writes down; `warn` also shows it to who pulls; `enforce` refuses. */
export const modes = ['off', 'audit', 'warn', 'enforce'] as const
export type Mode = (typeof modes)[number]

/**
 * How far a signature is tied to the name of the image. `none`: not at all. `named`: if it names a repository, it
 * is this one. `repository`: it names this repository. `tag`: it names this repository and the tag that is pulled.
 */
export const referenceBindings = ['none', 'named', 'repository', 'tag'] as const
export type ReferenceBinding = (typeof referenceBindings)[number]

/** So many of these signers have said this. */
export interface SignatureClause {
  /** Unique on its way; a lower level tightens the clause of a higher one by its name. */
  readonly name: string
  /** `signature`, or the predicate type of an attestation. */
  readonly claim: string
  readonly signers: readonly string[]
  readonly threshold: number
  /** CEL over `predicate`, `signer` and `subject`; each has to be true of an attestation for it to count. */
  readonly conditions: readonly string[]
  /** Where it comes from: `organisation`, `project shop`, `repositories prod/**`, `stage prod`. */
  readonly level: string
}

/** What has to hold of an image's signatures: the meet of all levels on its path. */
export interface SignaturePolicy {
  readonly mode: Mode
  /** Forms that count; empty is impossible. */
  readonly formats: readonly FormatName[]
  readonly keyAlgorithms: readonly KeyAlgorithm[]
  readonly clauses: readonly SignatureClause[]
  /** Only what a timestamp authority, or a log, has seen counts. */
  readonly requireTimestamp: boolean
  readonly requireLog: boolean
  /** Older signatures do not count; of a signature without a proven time, the age is unknown, so it does not either. */
  readonly maximumAgeDays?: number
  readonly bindReference: ReferenceBinding
  /** How long the last good answer holds when evidence cannot be read; 0 refuses at once. */
  readonly lastKnownGoodHours: number
}
