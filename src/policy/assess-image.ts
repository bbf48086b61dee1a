import type { DatabaseTransaction } from '../database/index.ts'
import { findRuleExceptions, type RuleException } from '../exceptions/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { ManifestKind, RepositoryRef } from '../registry/index.ts'
import { saveClaims, type Claim } from '../signing/index.ts'
import { gatherEvidence, type EvidenceParts } from './gather-evidence.ts'
import type { EffectivePolicy } from './levels/types.ts'
import { findEffectivePolicy } from './project-policy.ts'
import { evaluateManifest, type Evaluated } from './evaluate-manifest.ts'
import { allowedTags } from './signatures/allowed-tags.ts'
import { findAllowedTags, saveSignatureStanding } from './store.ts'
import type { Evidence } from './types.ts'

/** What the rules of a repository say of a manifest now, and what they say it of. */
export interface Assessment extends Evaluated {
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
  const exceptions = await findExceptions(parts, rulesOf, evidence)
  return { ...evaluateManifest(policy, evidence, kind, exceptions), evidence, policy }
}

/** The exceptions from rules that hold for what evidence is about, and for the indexes that list it. */
export async function findExceptions(
  { database }: EvidenceParts,
  repository: string,
  { now, signatures: { verification, through = [] } }: Evidence,
): Promise<RuleException[]> {
  const digests = [verification, ...through].map(({ subject }) => subject)
  return findRuleExceptions(database, { repository, digests, now })
}

/** Keeps, beside the verdict, who signed the image, under which tags that holds, and when it last did. */
export async function saveStanding(
  transaction: DatabaseTransaction,
  repository: RepositoryRef,
  digest: Digest,
  { outcomes, evidence, signatures: asked }: Assessment,
): Promise<void> {
  const { verification } = evidence.signatures
  // What cannot be read now is not forgotten for that.
  if (verification.unavailable === undefined) {
    await saveClaims(transaction, repository.id, digest, verification)
  }
  const before = await findAllowedTags(transaction, repository.id, digest)
  const said = outcomes.filter(({ rule }) => rule === 'signatures')
  const isHeld = said.length > 0 && said.every(({ outcome }) => outcome === 'pass')
  const isVerified = isHeld && verification.unavailable === undefined
  await saveSignatureStanding(transaction, repository.id, digest, {
    allowedTags: allowedTags(asked, evidence, before),
    ...(isVerified ? { heldAt: evidence.now } : {}),
  })
}
