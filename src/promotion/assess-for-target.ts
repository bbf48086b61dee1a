import type { Digest } from '../kernel/digest.ts'
import type { RepositoryName, Tag } from '../kernel/reference.ts'
import {
  assessImage,
  findVerdict,
  platformImages,
  type Assessment,
  type NamedImage,
  type RuleOutcome,
} from '../policy/index.ts'
import { findManifest, type RepositoryRef } from '../registry/index.ts'
import { promisedClaims } from './promised-claims.ts'
import type { PromotionParts } from './promote-image.ts'

export interface TargetPlace {
  readonly serverUrl: string
  readonly target: RepositoryName
  readonly tag: Tag | undefined
  readonly stage: string
  readonly policyVersion: number
}

/** One image or index, held to the rules of the target. */
export interface AssessedSubject {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number
  readonly assessment: Assessment
}

/** What the target's rules say of everything that would be promoted. */
export interface TargetAssessment {
  readonly reasons: readonly RuleOutcome[]
  readonly subjects: readonly AssessedSubject[]
  /** Of the target's effective policy. */
  readonly policyDigest: string
  /** Manifests of the signatures and attestations that were looked at. */
  readonly evidence: readonly Digest[]
}

/**
 * Every platform image, and an index by itself, has to satisfy the target's rules, and nobody may have decided
 * against it by hand. What the server signs on promotion counts as signed.
 */
export async function assessForTarget(
  parts: PromotionParts,
  named: NamedImage,
  place: TargetPlace,
): Promise<TargetAssessment> {
  const { repository, manifest } = named
  const images = await platformImages(parts.database, named)
  const reasons: RuleOutcome[] = []
  const missing = await missingChildren(parts, repository, manifest.digest)
  if (missing.length > 0) {
    const message = `the index lists ${missing.join(', ')}, which is not here; push every platform`
    reasons.push({ rule: 'children', outcome: 'undetermined', message })
  }
  const platforms = new Map<Digest, string | undefined>([
    [manifest.digest, undefined],
    ...images.map(({ digest, platform }) => [digest, platform] as const),
  ])
  const subjects: AssessedSubject[] = []
  for (const [digest, platform] of platforms) {
    const standing = await ownStanding(parts, repository, digest)
    if (standing) reasons.push(standing)
    const subject = await assessSubject(parts, repository, digest, place)
    if (!subject) continue
    subjects.push(subject)
    for (const outcome of subject.assessment.outcomes) {
      reasons.push(
        platform === undefined ? outcome : { ...outcome, message: `${platform}: ${outcome.message}` },
      )
    }
  }
  return {
    reasons,
    subjects,
    policyDigest: subjects[0]?.assessment.policy.digest ?? '',
    evidence: evidenceOf(subjects),
  }
}

async function assessSubject(
  parts: PromotionParts,
  repository: RepositoryRef,
  digest: Digest,
  place: TargetPlace,
): Promise<AssessedSubject | undefined> {
  const manifest = await findManifest(parts.database, repository.id, digest)
  if (!manifest || manifest.kind === 'artifact') return undefined
  const assessment = await assessImage(parts, repository, digest, manifest.kind, {
    rulesOf: place.target,
    promised: promisedClaims(place, digest, parts.clock.now()),
  })
  return { digest, mediaType: manifest.mediaType, size: manifest.content.length, assessment }
}

function evidenceOf(subjects: readonly AssessedSubject[]): Digest[] {
  const manifests = subjects.flatMap(({ digest, assessment: { evidence } }) =>
    evidence.signatures.verification.claims
      .map(({ manifest }) => manifest)
      .filter((manifest) => manifest !== digest),
  )
  return [...new Set(manifests)]
}

/** Recalled or quarantined here means: not onwards, whatever the target's rules say. */
async function ownStanding(
  parts: PromotionParts,
  repository: RepositoryRef,
  digest: Digest,
): Promise<RuleOutcome | undefined> {
  const verdict = await findVerdict(parts.database, repository.id, digest)
  if (verdict?.state !== 'recalled' && verdict?.state !== 'quarantined') return undefined
  const why = verdict.reasons.filter(({ outcome }) => outcome !== 'pass').map(({ message }) => message)
  const message = `${repository.name}@${digest} is ${verdict.state} where it is: ${why.join('; ')}`
  return { rule: 'verdict', outcome: 'fail', message }
}

async function missingChildren(
  parts: PromotionParts,
  repository: RepositoryRef,
  digest: Digest,
): Promise<string[]> {
  const rows = await parts.database
    .selectFrom('manifest_reference')
    .leftJoin('repository_manifest', (join) =>
      join
        .onRef('repository_manifest.digest', '=', 'manifest_reference.target_digest')
        .on('repository_manifest.repository_id', '=', repository.id),
    )
    .select('target_digest')
    .where('manifest_digest', '=', digest)
    .where('kind', '=', 'manifest')
    .where('repository_manifest.digest', 'is', null)
    .execute()
  return rows.map((row) => row.target_digest)
}
