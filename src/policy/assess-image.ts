import type { DatabaseTransaction } from '../database/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { ManifestKind, RepositoryRef } from '../registry/index.ts'
import { saveClaims, type Claim } from '../signing/index.ts'
import { gatherEvidence, type EvidenceParts } from './gather-evidence.ts'
import type { EffectivePolicy } from './levels/types.ts'
import { findEffectivePolicy } from './project-policy.ts'
import { evaluateIndexRules, evaluatePolicy } from './rules/index.ts'
import { allowedTags } from './signatures/allowed-tags.ts'
import { findAllowedTags, saveSignatureStanding } from './store.ts'
import type { Evidence, RuleOutcome } from './types.ts'

/** What the rules of a repository say of a manifest now, and what they say it of. */
export interface Assessment {
  readonly outcomes: readonly RuleOutcome[]
  readonly evidence: Evidence
  readonly policy: EffectivePolicy
}

/**
 * Evaluates the rules of a repository on all that is known of an image, or of an index by itself: runtimes hold its
 * own digest to the rule on signatures.
 */
export async function assessImage(
  parts: EvidenceParts,
  repository: RepositoryRef,
  digest: Digest,
  kind: ManifestKind,
  /** `rulesOf`: the repository whose rules are asked; its own when not given. `promised`: claims that will be there. */
  { rulesOf = repository.name, promised = [] }: { rulesOf?: string; promised?: readonly Claim[] } = {},
): Promise<Assessment> {
  const policy = await findEffectivePolicy(parts.database, rulesOf)
  const evidence = await gatherEvidence(parts, { id: repository.id, name: rulesOf }, digest, policy, promised)
  const outcomes = kind === 'index' ? evaluateIndexRules(policy, evidence) : evaluatePolicy(policy, evidence)
  return { outcomes, evidence, policy }
}

/** Keeps, beside the verdict, who signed the image, under which tags that holds, and when it last did. */
export async function saveStanding(
  transaction: DatabaseTransaction,
  repository: RepositoryRef,
  digest: Digest,
  { outcomes, evidence, policy }: Assessment,
): Promise<void> {
  const { verification } = evidence.signatures
  // What cannot be read now is not forgotten for that.
  if (verification.unavailable === undefined) {
    await saveClaims(transaction, repository.id, digest, verification)
  }
  const before = await findAllowedTags(transaction, repository.id, digest)
  const signatures = outcomes.find(({ rule }) => rule === 'signatures')
  const isVerified = signatures?.outcome === 'pass' && verification.unavailable === undefined
  await saveSignatureStanding(transaction, repository.id, digest, {
    allowedTags: allowedTags(policy.signatures, evidence, before),
    ...(isVerified ? { heldAt: evidence.now } : {}),
  })
}
