import type { DatabaseTransaction } from '../database/index.ts'
import type { Caller } from '../identity/index.ts'
import { matchesGlob } from '../kernel/glob.ts'
import type { ExceptionEffects } from './parts.ts'
import type { Exception, ExceptionChange } from './types.ts'

/** Up to so many images are judged one by one; more of them in batches with all others. */
const judgedSingly = 500

/** Everything that goes with a change of one exception, in its transaction. */
export async function recordChange(
  effects: ExceptionEffects,
  transaction: DatabaseTransaction,
  caller: Caller,
  kind: Exclude<ExceptionChange['kind'], 'imported'>,
  exception: Exception,
): Promise<void> {
  await effects.identity.audit(transaction, caller, `exception.${kind}`, exception.id, {
    ...(exception.rule ? { rule: exception.rule } : { vulnerability: exception.vulnerability }),
    status: exception.status,
    ...exception.scope,
    reason: exception.end?.reason ?? exception.decision?.reason ?? exception.reason,
    until: new Date(exception.until).toISOString(),
  })
  await effects.changed(transaction, { kind, exceptions: [exception] })
}

/** Has every image judged again whose findings an exception could concern. */
export async function judgeAffected(
  effects: ExceptionEffects,
  transaction: DatabaseTransaction,
  { scope }: Exception,
): Promise<void> {
  const now = effects.identity.clock.now()
  const images = await imagesWithin(transaction, scope)
  if (images === 'many') return effects.requestJudgementOfAll(transaction, now)
  for (const digest of images) await effects.requestJudgement(transaction, digest, now)
}

async function imagesWithin(
  transaction: DatabaseTransaction,
  { digest, repositories }: Exception['scope'],
): Promise<readonly string[] | 'many'> {
  if (digest !== undefined) return [digest, ...(await childrenOf(transaction, digest))]
  let query = transaction
    .selectFrom('repository_manifest')
    .innerJoin('manifest', 'manifest.digest', 'repository_manifest.digest')
    .innerJoin('repository', 'repository.id', 'repository_manifest.repository_id')
    .select(['manifest.digest', 'repository.name'])
    .where('manifest.kind', '=', 'image')
  if (!repositories.includes('*')) query = query.where('repository.name', '=', repositories)
  const rows = await query.limit(20 * judgedSingly).execute()
  const digests = new Set(rows.filter(({ name }) => matchesGlob(repositories, name)).map((row) => row.digest))
  return digests.size > judgedSingly || rows.length === 20 * judgedSingly ? 'many' : [...digests]
}

async function childrenOf(transaction: DatabaseTransaction, digest: string): Promise<string[]> {
  const rows = await transaction
    .selectFrom('manifest_reference')
    .select('target_digest')
    .where('manifest_digest', '=', digest)
    .where('kind', '=', 'manifest')
    .execute()
  return rows.map((row) => row.target_digest)
}
