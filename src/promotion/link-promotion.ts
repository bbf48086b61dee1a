import type { DatabaseTransaction } from '../database/index.ts'
import type { Caller } from '../identity/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { RepositoryName, Tag } from '../kernel/reference.ts'
import {
  nothingToRun,
  requestJudgement,
  saveStanding,
  saveVerdict,
  type NamedImage,
  type Verdict,
} from '../policy/index.ts'
import {
  ensureRepository,
  findLinkedBlob,
  insertManifest,
  linkBlob,
  linkManifest,
  setTag,
  type RepositoryRef,
} from '../registry/index.ts'
import type { AssessedSubject } from './assess-for-target.ts'
import { PromotionFailure } from './failures.ts'
import type { Closure } from './find-closure.ts'
import type { PromotionParts } from './promote-image.ts'
import type { SignedManifest } from './sign-promotion.ts'

export interface Linking {
  readonly named: NamedImage
  readonly closure: Closure
  readonly target: RepositoryName
  readonly tag: Tag | undefined
  readonly caller: Caller
  readonly verdict: Verdict
  readonly subjects: readonly AssessedSubject[]
  readonly signed: readonly SignedManifest[]
}

/** Links what is promoted into the target repository: rows only, not a byte of it is copied. */
export async function linkPromotion(
  parts: PromotionParts,
  transaction: DatabaseTransaction,
  linking: Linking,
): Promise<void> {
  const { closure, caller, target, verdict } = linking
  const ensure = { clock: parts.clock, ensureProject: parts.identity.ensureProject }
  const repository = await ensureRepository(ensure, transaction, target, caller)
  await linkBlobs(transaction, linking, repository)
  for (const digest of closure.manifests) {
    await linkManifest(transaction, repository.id, digest, caller.principal.subject, verdict.judgedAt)
    await saveVerdict(transaction, repository.id, digest, verdict)
  }
  await linkSigned(transaction, linking, repository)
  await setTags(parts, transaction, linking, repository)
  for (const subject of linking.subjects) await settle(transaction, linking, repository, subject)
}

async function linkBlobs(
  transaction: DatabaseTransaction,
  { closure, named, verdict }: Linking,
  repository: RepositoryRef,
): Promise<void> {
  const blobs = await transaction
    .selectFrom('manifest_reference')
    .innerJoin('repository_blob', 'repository_blob.digest', 'manifest_reference.target_digest')
    .select('repository_blob.digest')
    .distinct()
    .where('manifest_reference.manifest_digest', 'in', [...closure.manifests])
    .where('repository_blob.repository_id', '=', named.repository.id)
    .execute()
  for (const blob of blobs) {
    await linkBlob(transaction, repository.id, blob.digest as Digest, verdict.judgedAt)
  }
}

/** The bytes of what the server signed lie in the source repository; its manifests are made here. */
async function linkSigned(
  transaction: DatabaseTransaction,
  { signed, named, caller, verdict }: Linking,
  repository: RepositoryRef,
): Promise<void> {
  for (const { digest, parsed, content } of signed) {
    for (const reference of parsed.references) {
      // Among them may be layers of older signatures, which the tag carries on, from there or from here.
      const isHeld =
        (await findLinkedBlob(transaction, named.repository.id, reference.digest)) ??
        (await findLinkedBlob(transaction, repository.id, reference.digest))
      if (!isHeld) {
        throw new PromotionFailure('PROMOTION_OUTDATED', 'a signature was deleted meanwhile; try again')
      }
      await linkBlob(transaction, repository.id, reference.digest, verdict.judgedAt)
    }
    await insertManifest(transaction, digest, parsed, content, verdict.judgedAt)
    await linkManifest(transaction, repository.id, digest, caller.principal.subject, verdict.judgedAt)
    await saveVerdict(transaction, repository.id, digest, { ...verdict, reasons: [nothingToRun] })
  }
}

async function setTags(
  parts: PromotionParts,
  transaction: DatabaseTransaction,
  { closure, signed, tag, named, verdict }: Linking,
  repository: RepositoryRef,
): Promise<void> {
  const tags = new Map<Tag, Digest>(closure.tags.map((one) => [one.tag, one.digest]))
  // The server's signature was added to those that the tag had.
  for (const one of signed) if (one.tag !== undefined) tags.set(one.tag, one.digest)
  if (tag !== undefined) tags.set(tag, named.manifest.digest)
  for (const [name, digest] of tags) {
    await parts.events.assertTagMutable(transaction, repository, name, digest)
    await setTag(transaction, repository.id, name, digest, verdict.judgedAt)
  }
}

/** What holds from this moment on, and once more on what then is really there. */
async function settle(
  transaction: DatabaseTransaction,
  { tag, verdict }: Linking,
  repository: RepositoryRef,
  { digest, assessment }: AssessedSubject,
): Promise<void> {
  const { evidence } = assessment
  const signatures = { ...evidence.signatures, tags: tag === undefined ? [] : [tag] }
  await saveStanding(transaction, repository, digest, {
    ...assessment,
    evidence: { ...evidence, signatures },
  })
  await requestJudgement(transaction, digest, verdict.judgedAt)
}
