import { randomUUID } from 'node:crypto'
import type { DatabaseTransaction } from '../database/index.ts'
import type { Caller, Identity } from '../identity/index.ts'
import type { Digest } from '../kernel/digest.ts'
import { parseImageName, parseRepositoryName, type RepositoryName } from '../kernel/reference.ts'
import {
  countsAgainst,
  currentPolicy,
  findManualDecision,
  findVerdict,
  isCurrent,
  resolveImage,
  stageOf,
  type EvidenceParts,
  type NamedImage,
  type RuleOutcome,
  type Stage,
} from '../policy/index.ts'
import type { RegistryEvents } from '../registry/index.ts'
import { assessForTarget, type AssessedSubject } from './assess-for-target.ts'
import { PromotionFailure } from './failures.ts'
import { findClosure, type Closure } from './find-closure.ts'
import { linkPromotion } from './link-promotion.ts'
import { signPromotion, type SignPromotionParts } from './sign-promotion.ts'

export interface PromotionParts extends EvidenceParts, SignPromotionParts {
  /** How clients reach the server, when a proxy is in front. */
  readonly publicUrl?: string
  readonly identity: Identity
  readonly events: Pick<RegistryEvents, 'assertTagMutable'>
}

export interface PromotionRequest {
  readonly image: string
  readonly to: string
  /** Only say what would happen. */
  readonly dryRun: boolean
  readonly caller: Caller
  /** How clients reach the server: what it signs bears this name. */
  readonly serverUrl: string
}

/** What came of a request: where the image is now, or which rules kept it back. */
export interface PromotionResult {
  readonly outcome: 'promoted' | 'refused' | 'would be promoted'
  readonly source: string
  readonly target: string
  readonly digest: Digest
  readonly manifests: number
  readonly reasons: readonly RuleOutcome[]
}

/**
 * Promotes an image: evaluates the rules of the target stage on what is known now, signs it with the server's key
 * under its new name, then links its whole closure into the target repository in one transaction. By digest from
 * the first step on, so a tag that moves meanwhile changes nothing. Throws STAGE_UNKNOWN; a refusal by rules is a
 * result, and is kept.
 */
export async function promoteImage(
  parts: PromotionParts,
  request: PromotionRequest,
): Promise<PromotionResult> {
  const { caller } = request
  const source = parseImageName(request.image)
  await parts.identity.requireAccess(caller, 'pull', source.repository)
  const policy = await currentPolicy(parts.database)
  const { stage, target } = targetOf(policy.document.stages, source.repository, request.to)
  await parts.identity.requireAccess(caller, 'promote', target)
  const named = await resolveImage(parts.database, request.image)
  const tag = source.reference.kind === 'tag' ? source.reference.tag : undefined
  const { reasons, policyDigest, evidence, subjects } = await assessForTarget(parts, named, {
    serverUrl: request.serverUrl,
    target,
    tag,
    stage: stage.name,
    policyVersion: policy.version,
  })
  const refused = reasons.some(countsAgainst)
  const closure = await findClosure(parts.database, named.repository.id, named.manifest.digest)
  const result: PromotionResult = {
    outcome: refused ? 'refused' : request.dryRun ? 'would be promoted' : 'promoted',
    source: `${named.repository.name}@${named.manifest.digest}`,
    target: tag === undefined ? `${target}@${named.manifest.digest}` : `${target}:${tag}`,
    digest: named.manifest.digest,
    manifests: closure.manifests.length,
    reasons,
  }
  if (request.dryRun) return result
  const signed = refused
    ? []
    : await signPromotion(parts, {
        serverUrl: request.serverUrl,
        source: named.repository,
        target,
        tag,
        subjects,
        stage: stage.name,
        policy: { version: policy.version, digest: policyDigest },
        outcomes: reasons,
        evidence,
        now: parts.clock.now(),
      })
  await parts.database.transaction().execute(async (transaction) => {
    if (!refused) {
      await checkUnchanged(parts, transaction, { named, closure, subjects, version: policy.version })
      const verdict = {
        state: 'cleared',
        reasons,
        policyVersion: policy.version,
        judgedAt: parts.clock.now(),
      } as const
      await linkPromotion(parts, transaction, {
        named,
        closure,
        target,
        tag,
        caller,
        verdict,
        subjects,
        signed,
      })
    }
    await writeDown(parts, transaction, result, stage, caller)
  })
  return result
}

/** Forwards only, and to a stage that there is. */
function targetOf(
  stages: readonly Stage[],
  repository: RepositoryName,
  to: string,
): { stage: Stage; target: RepositoryName } {
  const from = stageOf({ stages: [...stages] }, repository)
  const names = stages.map(({ name }) => name)
  const stage = stages.find(({ name }) => name === to)
  if (!stage)
    throw new PromotionFailure('STAGE_UNKNOWN', `there is no stage ${to}; stages are ${names.join(', ')}`)
  if (!from) {
    throw new PromotionFailure(
      'STAGE_UNKNOWN',
      `${repository} belongs to no stage, so it cannot be promoted from`,
    )
  }
  if (names.indexOf(from.name) >= names.indexOf(stage.name)) {
    throw new PromotionFailure(
      'STAGE_UNKNOWN',
      `${from.name} is not before ${stage.name}; promotion goes ${names.join(' → ')}`,
    )
  }
  return { stage, target: parseRepositoryName(`${stage.prefix}${repository.slice(from.prefix.length)}`) }
}

interface Decided {
  readonly named: NamedImage
  readonly closure: Closure
  readonly subjects: readonly AssessedSubject[]
  readonly version: number
}

/** What was evaluated has to be what is linked: fail closed when anything moved in between. */
async function checkUnchanged(
  parts: PromotionParts,
  transaction: DatabaseTransaction,
  { named: { repository, manifest }, closure, subjects, version }: Decided,
): Promise<void> {
  const outdated = (what: string): PromotionFailure =>
    new PromotionFailure('PROMOTION_OUTDATED', `${what} while the promotion was decided; try again`)
  if ((await currentPolicy(transaction)).version !== version) throw outdated('the policy changed')
  for (const { assessment } of subjects) {
    if (!(await isCurrent(transaction, parts, assessment))) throw outdated('the policy or a signer changed')
  }
  const now = await findClosure(transaction, repository.id, manifest.digest)
  if (now.manifests.length < closure.manifests.length) throw outdated('the image lost content')
  for (const digest of closure.manifests) {
    const verdict = await findVerdict(transaction, repository.id, digest)
    const manual = await findManualDecision(transaction, repository.id, digest)
    const isBad = verdict?.state === 'quarantined' || verdict?.state === 'recalled'
    if (isBad || manual?.kind === 'quarantine')
      throw outdated(`${digest} was ${verdict?.state ?? 'quarantined'}`)
  }
}

async function writeDown(
  parts: PromotionParts,
  transaction: DatabaseTransaction,
  result: PromotionResult,
  stage: Stage,
  caller: Caller,
): Promise<void> {
  await transaction
    .insertInto('promotion')
    .values({
      id: randomUUID(),
      source: result.source,
      target: result.target,
      digest: result.digest,
      outcome: result.outcome === 'promoted' ? 'promoted' : 'refused',
      reasons: JSON.stringify(result.reasons),
      requested_by: caller.principal.name,
      requested_at: parts.clock.now(),
    })
    .execute()
  await parts.identity.audit(
    transaction,
    caller,
    `image.${result.outcome === 'promoted' ? 'promote' : 'promote-refused'}`,
    result.source,
    {
      target: result.target,
      stage: stage.name,
    },
  )
}
