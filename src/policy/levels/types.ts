import type { Rules } from '../rules-schema.ts'
import type { SignaturePolicy } from '../signatures/types.ts'

/** The rules of one level on the path of a repository. */
export interface PolicyLevel {
  /** `organisation`, `project shop`, `repositories prod/**`, `project shop, repositories shop/**`, `stage prod`, `others`. */
  readonly level: string
  readonly rules: Rules
}

/** Names under which signers may know what is here; see `namesForSigners`. */
export interface SignerNames {
  /** Names of this registry; any when absent. */
  readonly hosts?: readonly string[]
  /** By prefix of repository names here: `host[/path]` of what is mirrored there. */
  readonly mirrors: Readonly<Record<string, string>>
}

/** What rules are evaluated on: every level counts, whichever way a lower one is written. */
export interface RuleSet {
  /** From the organisation downwards. */
  readonly levels: readonly PolicyLevel[]
  /** The meet of what all levels say of signatures; absent when none says anything. */
  readonly signatures?: SignaturePolicy
}

/** All that has to hold in a repository. */
export interface EffectivePolicy extends RuleSet {
  readonly names: SignerNames
  /** `sha256:…` over canonical JSON: the same policy has the same digest, wherever it comes from. */
  readonly digest: string
}
