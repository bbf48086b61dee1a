import type { DatabaseTransaction } from '../database/index.ts'
import type { Clock } from '../kernel/clock.ts'
import { findManifestAnywhere, type ManifestPushed } from '../registry/index.ts'
import { findScan, requestScan } from '../scanning/index.ts'
import { subjectOfSignatureTag } from '../signing/index.ts'
import { decideVerdict } from './decide-verdict.ts'
import { nothingToRun, requestJudgement } from './judge.ts'
import { findEffectivePolicy } from './project-policy.ts'
import { childrenOf, currentPolicy, findManualDecision, findVerdict, saveVerdict } from './store.ts'
import type { RuleOutcome } from './types.ts'

/**
 * Gives a manifest its first verdict in the transaction that stores it, and queues what leads to the next
 * one. Pushed again, it keeps the verdict it has.
 */
export async function judgePushedManifest(
  clock: Clock,
  transaction: DatabaseTransaction,
  event: ManifestPushed,
): Promise<void> {
  const { repository, digest, kind, subject, tags } = event
  const now = clock.now()
  const subjects = [subject, ...tags.map(subjectOfSignatureTag)]
  for (const signed of new Set(subjects)) {
    if (!signed) continue
    await requestJudgement(transaction, signed, now)
    // What is signed of an index is signed of what it lists.
    for (const child of await childrenOf(transaction, signed)) await requestJudgement(transaction, child, now)
    // What was signed may itself say something of an image, as a VEX document does.
    const about = (await findManifestAnywhere(transaction, signed))?.subject
    if (about) await requestJudgement(transaction, about, now)
  }
  if (await findVerdict(transaction, repository.id, digest)) {
    if (kind !== 'artifact') await requestJudgement(transaction, digest, now)
    return
  }
  const policy = await currentPolicy(transaction)
  const manual = await findManualDecision(transaction, repository.id, digest)
  const verdict = decideVerdict({
    outcomes: kind === 'artifact' ? [nothingToRun] : await outcomesOfNew(transaction, repository.name),
    previous: undefined,
    manual,
    policyVersion: policy.version,
    recallGraceMs: 0,
    now,
  })
  await saveVerdict(transaction, repository.id, digest, verdict)
  if (kind === 'index') await requestJudgement(transaction, digest, now)
  if (kind !== 'image') return
  const scan = await findScan(transaction, digest)
  if (scan?.state === 'done') await requestJudgement(transaction, digest, now)
  else await requestScan(transaction, digest, now)
}

/** Nothing is known yet: also of signatures, above which no release by hand stands. */
async function outcomesOfNew(transaction: DatabaseTransaction, repository: string): Promise<RuleOutcome[]> {
  const { signatures } = await findEffectivePolicy(transaction, repository)
  const isAsked = signatures?.mode === 'enforce' && signatures.clauses.length > 0
  const outcome = 'undetermined' as const
  return [
    { rule: 'scanned', outcome, message: 'the scan has not finished yet' },
    ...(isAsked
      ? [{ rule: 'signatures', outcome, message: 'the signatures have not been looked at yet' }]
      : []),
  ]
}
