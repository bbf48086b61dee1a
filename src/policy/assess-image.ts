import type { DatabaseTransaction } from '../database/index.ts'
import { findRuleExceptions, type RuleException } from '../exceptions/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { ManifestKind, RepositoryRef } from '../registry/index.ts'
import { currentTrust, saveClaims, type Claim } from '../signing/index.ts'
import { gatherEvidence, type EvidenceParts } from './gather-evidence.ts'
import type { EffectivePolicy } from './levels/types.ts'
import { findEffectivePolicy } from './project-policy.ts'
import { evaluateManifest, type Evaluated } from './evaluate-manifest.ts'
import { allowedTags } from './signatures/allowed-tags.ts'
import { heldAt } from './signatures/held-at.ts'
import { findAllowedTags, saveSignatureStanding } from './store.ts'
import type { Evidence } from './types.ts'

/** What the rules of a repository say of a manifest now, and what they say it of. */
export interface Assessment extends Evaluated {
  readonly evidence: Evidence
  readonly policy: EffectivePolicy
  /** The repository whose rules were asked. */
  readonly rulesOf: string
  /** Of the signers that were believed. */
  readonly trustRevision: string
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
  // Read first: what changes while evidence is gathered is then found to have changed.
  const { revision: trustRevision } = await currentTrust(parts.database, parts.clock)
  const policy = await findEffectivePolicy(parts.database, rulesOf)
  const evidence = await gatherEvidence(parts, { id: repository.id, name: rulesOf }, digest, policy, promised)
  const exceptions = await findExceptions(parts, rulesOf, evidence)
  const evaluated = evaluateManifest(policy, evidence, kind, exceptions)
  return { ...evaluated, evidence, policy, rulesOf, trustRevision }
}

/**
 * Whether an assessment still stands on the policy and the signers of now: what was decided before a signer was
 * revoked, or a policy applied, must not be written down after it.
 */
export async function isCurrent(
  transaction: DatabaseTransaction,
  { clock }: Pick<EvidenceParts, 'clock'>,
  { policy, rulesOf, trustRevision }: Assessment,
): Promise<boolean> {
  const { digest } = await findEffectivePolicy(transaction, rulesOf)
  const { revision } = await currentTrust(transaction, clock)
  return digest === policy.digest && revision === trustRevision
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
  await saveSignatureStanding(transaction, repository.id, digest, {
    allowedTags: allowedTags(asked, evidence, before),
    heldAt: heldAt(outcomes, evidence),
  })
}
