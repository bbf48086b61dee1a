import type { DatabaseTransaction } from '../database/index.ts'
import type { Clock } from '../kernel/clock.ts'
import { findManifestAnywhere, type ManifestPushed } from '../registry/index.ts'
import { findScan, requestScan } from '../scanning/index.ts'
import { subjectOfSignatureTag } from '../signing/index.ts'
import { decideVerdict } from './decide-verdict.ts'
import { nothingToRun, requestJudgement } from './judge.ts'
import { currentPolicy, findManualDecision, findVerdict, saveVerdict } from './store.ts'

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
  const pending = {
    rule: 'scanned',
    outcome: 'undetermined',
    message: 'the scan has not finished yet',
  } as const
  const verdict = decideVerdict({
    outcomes: kind === 'artifact' ? [nothingToRun] : [pending],
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
