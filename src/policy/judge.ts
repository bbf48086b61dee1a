import type { DatabaseTransaction } from '../database/index.ts'
import { enqueueJob, type RunningJob } from '../jobs/index.ts'
import { isDigest, type Digest } from '../kernel/digest.ts'
import { findManifest, tagsOf, type RepositoryRef } from '../registry/index.ts'
import { assessImage, isCurrent, saveStanding } from './assess-image.ts'
import { decideVerdict, worstOf } from './decide-verdict.ts'
import type { EvidenceParts } from './gather-evidence.ts'
import {
  childrenOf,
  currentPolicy,
  forgetHeldSignatures,
  findManualDecision,
  findVerdict,
  parentsOf,
  repositoriesHolding,
  saveVerdict,
} from './store.ts'
import type { RuleOutcome, Verdict, VerdictChange } from './types.ts'

const hourMs = 3_600_000
/** Digests that one job of a whole judging takes on before it hands over to the next. */
const batchSize = 200
/** Indexes may list indexes; this deep their verdicts are carried up. */
const maximumDepth = 8

export interface JudgeParts extends EvidenceParts {
  /** Told of a verdict that is another than before, in the transaction that writes it. */
  verdictChanged(transaction: DatabaseTransaction, change: VerdictChange): Promise<void>
}

/** Has a digest judged, in the transaction of what makes it necessary. */
export async function requestJudgement(
  transaction: DatabaseTransaction,
  digest: string,
  now: number,
): Promise<void> {
  await enqueueJob(transaction, { kind: 'judge', dedupeKey: digest, now })
}

/** Has everything judged again: a policy, a signer or a base has changed. What held before stands for nothing then. */
export async function requestJudgementOfAll(transaction: DatabaseTransaction, now: number): Promise<void> {
  await forgetHeldSignatures(transaction)
  await enqueueJob(transaction, { kind: 'judge-all', dedupeKey: 'all', payload: { after: '' }, now })
}

/** Job: judges one digest wherever it is. */
export async function judgeJob(parts: JudgeParts, job: RunningJob): Promise<void> {
  if (!isDigest(job.dedupeKey)) throw new Error(`not a digest: ${job.dedupeKey}`)
  for (const repository of await repositoriesHolding(parts.database, job.dedupeKey)) {
    await judgeInRepository(parts, repository, job.dedupeKey)
  }
}

/** Job: judges every digest, a batch a job, so that a restart goes on where it was. */
export async function judgeAllJob(parts: JudgeParts, job: RunningJob): Promise<void> {
  const { after = '' } = job.payload as { after?: string }
  const rows = await parts.database
    .selectFrom('manifest')
    .select('digest')
    .where('kind', '=', 'image')
    .where('digest', '>', after)
    .orderBy('digest')
    .limit(batchSize)
    .execute()
  for (const { digest } of rows) await judgeJob(parts, { ...job, dedupeKey: digest })
  const last = rows.at(-1)?.digest
  if (rows.length < batchSize || last === undefined) return
  const now = parts.clock.now()
  await enqueueJob(parts.database, {
    kind: 'judge-all',
    dedupeKey: `after ${last}`,
    payload: { after: last },
    now,
  })
}

/** Job: quarantines what was recalled and whose grace is over. */
export async function endGraceJob(parts: JudgeParts): Promise<void> {
  const rows = await parts.database
    .selectFrom('verdict')
    .innerJoin('repository', 'repository.id', 'verdict.repository_id')
    .select(['repository.id', 'repository.name', 'verdict.digest'])
    .where('verdict.state', '=', 'recalled')
    .where('verdict.grace_until', '<=', parts.clock.now())
    .limit(1_000)
    .execute()
  for (const row of rows)
    await judgeInRepository(parts, row as unknown as RepositoryRef, row.digest as Digest)
}

/** Judges a digest in one repository and carries the result up to the indexes that list it. */
export async function judgeInRepository(
  parts: JudgeParts,
  repository: RepositoryRef,
  digest: Digest,
  depth = 0,
): Promise<void> {
  const manifest = await findManifest(parts.database, repository.id, digest)
  if (!manifest || manifest.kind === 'artifact') return
  const assessment = await assessImage(parts, repository, digest, manifest.kind)
  const written = await parts.database.transaction().execute(async (transaction) => {
    // It may have been deleted since it was looked at.
    if (!(await findManifest(transaction, repository.id, digest))) return false
    if (!(await isCurrent(transaction, parts, assessment))) {
      await requestJudgement(transaction, digest, parts.clock.now())
      return false
    }
    const judge = manifest.kind === 'image' ? verdictOfImage : verdictOfIndex
    const verdict = await judge(parts, transaction, repository, digest, assessment.outcomes)
    const before = await findVerdict(transaction, repository.id, digest)
    await saveVerdict(transaction, repository.id, digest, verdict)
    await saveStanding(transaction, repository, digest, assessment)
    if (before?.state !== verdict.state) {
      const tags = await tagsOf(transaction, repository.id, digest)
      const change = { repository: repository.name, digest, kind: manifest.kind, tags, before: before?.state }
      await parts.verdictChanged(transaction, { ...change, verdict })
    }
    return true
  })
  if (!written) return
  if (depth >= maximumDepth) return
  for (const parent of await parentsOf(parts.database, repository.id, digest)) {
    await judgeInRepository(parts, repository, parent, depth + 1)
  }
}

async function verdictOfImage(
  parts: EvidenceParts,
  transaction: DatabaseTransaction,
  repository: RepositoryRef,
  digest: Digest,
  outcomes: readonly RuleOutcome[],
): Promise<Verdict> {
  const policy = await currentPolicy(transaction)
  return decideVerdict({
    outcomes,
    previous: await findVerdict(transaction, repository.id, digest),
    manual: await findManualDecision(transaction, repository.id, digest),
    policyVersion: policy.version,
    recallGraceMs: (policy.document.recallGraceHours ?? 72) * hourMs,
    now: parts.clock.now(),
  })
}

/** As good as the worst of what it lists, and as its own signatures. */
async function verdictOfIndex(
  parts: EvidenceParts,
  transaction: DatabaseTransaction,
  repository: RepositoryRef,
  digest: Digest,
  outcomes: readonly RuleOutcome[],
): Promise<Verdict> {
  const own = await verdictOfImage(parts, transaction, repository, digest, outcomes)
  if (await findManualDecision(transaction, repository.id, digest)) return own
  const children: JudgedChild[] = []
  for (const child of await childrenOf(transaction, digest)) {
    const kind = (await findManifest(transaction, repository.id, child))?.kind ?? 'missing'
    const verdict = await findVerdict(transaction, repository.id, child)
    children.push({ kind, verdict: verdict ?? missingChild(child, own) })
  }
  return joinIndex(own, children)
}

interface JudgedChild {
  readonly kind: string
  readonly verdict: Verdict
}

/**
 * The verdict on an index from that on itself and those on what it lists. One that lists only artifacts, such as the
 * listing of what is attached to an image, has nothing in it that a runtime would run, so nobody needs to sign it.
 */
export function joinIndex(own: Verdict, children: readonly JudgedChild[]): Verdict {
  const common = { policyVersion: own.policyVersion, judgedAt: own.judgedAt }
  const verdicts = children.map(({ verdict }) => verdict)
  const worst = worstOf(verdicts)
  if (children.every(({ kind }) => kind === 'artifact')) {
    return worst ? { ...worst, ...common } : { ...common, state: 'cleared', reasons: [nothingToRun] }
  }
  const joined = worstOf([own, ...verdicts]) ?? own
  const ends = [own, ...verdicts].map(({ graceUntil }) => graceUntil).filter((end) => end !== undefined)
  return {
    ...common,
    state: joined.state,
    reasons: [...own.reasons, ...(worst?.reasons ?? []), ...exceptedElsewhere(worst, verdicts)],
    ...(joined.state === 'recalled' && ends.length > 0 ? { graceUntil: Math.min(...ends) } : {}),
  }
}

/** An exception is shown also when it is another platform's than the one whose reasons are told. */
function exceptedElsewhere(told: Verdict | undefined, verdicts: readonly Verdict[]): RuleOutcome[] {
  const keyOf = ({ rule, level, exception }: RuleOutcome): string => `${exception?.id} ${rule} ${level}`
  const isTold = new Set(told?.reasons.map(keyOf))
  const others = verdicts.flatMap(({ reasons }) => reasons).filter(({ exception }) => exception !== undefined)
  return [...new Map(others.map((one) => [keyOf(one), one])).values()].filter(
    (one) => !isTold.has(keyOf(one)),
  )
}

/** The reason of everything that has nothing in it for a runtime. */
export const nothingToRun: RuleOutcome = {
  rule: 'artifact',
  outcome: 'pass',
  message: 'nothing in it that a runtime runs',
}

/** What stands for the verdict on something that an index lists and that is not in its repository. */
export function missingChild(
  digest: Digest,
  { policyVersion, judgedAt }: Pick<Verdict, 'policyVersion' | 'judgedAt'>,
): Verdict {
  const reason: RuleOutcome = {
    rule: 'children',
    outcome: 'undetermined',
    message: `${digest}, which the index lists, is not here`,
  }
  return { state: 'pending', reasons: [reason], policyVersion, judgedAt }
}
