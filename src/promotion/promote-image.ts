import { randomUUID } from 'node:crypto'
import type { DatabaseTransaction } from '../database/index.ts'
import type { Caller, Identity } from '../identity/index.ts'
import type { Digest } from '../kernel/digest.ts'
import { parseImageName, parseRepositoryName, type RepositoryName, type Tag } from '../kernel/reference.ts'
import {
  currentPolicy,
  evaluateImage,
  findManualDecision,
  findVerdict,
  platformImages,
  resolveImage,
  saveVerdict,
  stageOf,
  type EvidenceParts,
  type NamedImage,
  type RuleOutcome,
  type Stage,
} from '../policy/index.ts'
import {
  ensureRepository,
  linkBlob,
  linkManifest,
  setTag,
  type RegistryEvents,
  type RepositoryRef,
} from '../registry/index.ts'
import { PromotionFailure } from './failures.ts'
import { findClosure, type Closure } from './find-closure.ts'

export interface PromotionParts extends EvidenceParts {
  readonly identity: Identity
  readonly events: Pick<RegistryEvents, 'assertTagMutable'>
}

export interface PromotionRequest {
  readonly image: string
  readonly to: string
  /** Only say what would happen. */
  readonly dryRun: boolean
  readonly caller: Caller
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
 * Promotes an image: evaluates the rules of the target stage on what is known now, then links its whole
 * closure into the target repository in one transaction. By digest from the first step on, so a tag that
 * moves meanwhile changes nothing. Throws STAGE_UNKNOWN; a refusal by rules is a result, and is kept.
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
  const reasons = await evaluateForTarget(parts, named, target)
  const refused = reasons.some(({ outcome }) => outcome !== 'pass')
  const closure = await findClosure(parts.database, named.repository.id, named.manifest.digest)
  const tag = source.reference.kind === 'tag' ? source.reference.tag : undefined
  const result: PromotionResult = {
    outcome: refused ? 'refused' : request.dryRun ? 'would be promoted' : 'promoted',
    source: `${named.repository.name}@${named.manifest.digest}`,
    target: tag === undefined ? `${target}@${named.manifest.digest}` : `${target}:${tag}`,
    digest: named.manifest.digest,
    manifests: closure.manifests.length,
    reasons,
  }
  if (request.dryRun) return result
  await parts.database.transaction().execute(async (transaction) => {
    if (!refused) {
      await checkUnchanged(parts, transaction, named, policy.version, closure)
      await linkClosure(parts, transaction, {
        named,
        closure,
        target,
        tag,
        caller,
        reasons,
        version: policy.version,
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

/** Every platform image has to satisfy the target's rules, and nobody may have decided against it by hand. */
async function evaluateForTarget(
  parts: PromotionParts,
  named: NamedImage,
  target: RepositoryName,
): Promise<RuleOutcome[]> {
  const { repository, manifest } = named
  const images = await platformImages(parts.database, named)
  const reasons: RuleOutcome[] = []
  const missing = await missingChildren(parts, repository, manifest.digest)
  if (missing.length > 0) {
    const message = `the index lists ${missing.join(', ')}, which is not here; push every platform`
    reasons.push({ rule: 'children', outcome: 'undetermined', message })
  }
  for (const digest of new Set([manifest.digest, ...images.map((image) => image.digest)])) {
    const standing = await ownStanding(parts, repository, digest)
    if (standing) reasons.push(standing)
  }
  for (const { digest, platform } of images) {
    for (const outcome of await evaluateImage(parts, repository, digest, target)) {
      reasons.push(
        platform === undefined ? outcome : { ...outcome, message: `${platform}: ${outcome.message}` },
      )
    }
  }
  return reasons
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

/** What was evaluated has to be what is linked: fail closed when anything moved in between. */
async function checkUnchanged(
  parts: PromotionParts,
  transaction: DatabaseTransaction,
  { repository, manifest }: NamedImage,
  policyVersion: number,
  closure: Closure,
): Promise<void> {
  const outdated = (what: string): PromotionFailure =>
    new PromotionFailure('PROMOTION_OUTDATED', `${what} while the promotion was decided; try again`)
  if ((await currentPolicy(transaction)).version !== policyVersion) throw outdated('the policy changed')
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

interface Linking {
  readonly named: NamedImage
  readonly closure: Closure
  readonly target: RepositoryName
  readonly tag: Tag | undefined
  readonly caller: Caller
  readonly reasons: readonly RuleOutcome[]
  readonly version: number
}

/** Rows only: not a byte is copied. */
async function linkClosure(
  parts: PromotionParts,
  transaction: DatabaseTransaction,
  linking: Linking,
): Promise<void> {
  const { closure, named, tag, caller } = linking
  const now = parts.clock.now()
  const ensure = { clock: parts.clock, ensureProject: parts.identity.ensureProject }
  const repository = await ensureRepository(ensure, transaction, linking.target, caller)
  const blobs = await transaction
    .selectFrom('manifest_reference')
    .innerJoin('repository_blob', 'repository_blob.digest', 'manifest_reference.target_digest')
    .select('repository_blob.digest')
    .distinct()
    .where('manifest_reference.manifest_digest', 'in', [...closure.manifests])
    .where('repository_blob.repository_id', '=', named.repository.id)
    .execute()
  for (const blob of blobs) await linkBlob(transaction, repository.id, blob.digest as Digest, now)
  const verdict = {
    state: 'cleared',
    reasons: linking.reasons,
    policyVersion: linking.version,
    judgedAt: now,
  } as const
  for (const digest of closure.manifests) {
    await linkManifest(transaction, repository.id, digest, caller.principal.subject, now)
    await saveVerdict(transaction, repository.id, digest, verdict)
  }
  const tags = tag === undefined ? closure.tags : [...closure.tags, { tag, digest: named.manifest.digest }]
  for (const { tag: name, digest } of tags) {
    await parts.events.assertTagMutable(transaction, repository, name, digest)
    await setTag(transaction, repository.id, name, digest, now)
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
