import type { Database, DatabaseTransaction } from '../database/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import type { RepositoryRef } from '../registry/index.ts'
import { defaultPolicyText, parsePolicy, type PolicyDocument } from './policy-document.ts'
import type { ManualDecision, RuleOutcome, Verdict } from './types.ts'

type Handle = Database | DatabaseTransaction

/** A policy that was applied, with the version it got; version 0 is the built-in one. */
export interface AppliedPolicy {
  readonly version: number
  readonly text: string
  readonly document: PolicyDocument
}

const builtIn: AppliedPolicy = {
  version: 0,
  text: defaultPolicyText,
  document: parsePolicy(defaultPolicyText),
}
let parsed: AppliedPolicy = builtIn

/** The policy in force. */
export async function currentPolicy(database: Handle): Promise<AppliedPolicy> {
  const row = await database
    .selectFrom('policy')
    .select(['version', 'document'])
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
  if (!row) return builtIn
  // Only a cache of the parsing: the row that was just read says which text holds.
  if (parsed.version !== row.version || parsed.text !== row.document) {
    parsed = { version: row.version, text: row.document, document: parsePolicy(row.document) }
  }
  return parsed
}

export async function findVerdict(
  database: Handle,
  repositoryId: string,
  digest: string,
): Promise<Verdict | undefined> {
  const row = await database
    .selectFrom('verdict')
    .selectAll()
    .where('repository_id', '=', repositoryId)
    .where('digest', '=', digest)
    .executeTakeFirst()
  return (
    row && {
      state: row.state,
      reasons: JSON.parse(row.reasons) as RuleOutcome[],
      policyVersion: row.policy_version,
      judgedAt: row.judged_at,
      ...(row.grace_until === null ? {} : { graceUntil: row.grace_until }),
    }
  )
}

/**
 * When the rule on signatures last held for a digest in a repository, if ever. For the rules of another repository,
 * into which it is to be promoted, they never did.
 */
export async function signaturesHeldAt(
  database: Handle,
  repository: { readonly id: string; readonly name: string },
  digest: string,
): Promise<number | undefined> {
  const row = await database
    .selectFrom('verdict')
    .innerJoin('repository', 'repository.id', 'verdict.repository_id')
    .select('signatures_held_at')
    .where('repository.id', '=', repository.id)
    .where('repository.name', '=', repository.name)
    .where('digest', '=', digest)
    .executeTakeFirst()
  return row?.signatures_held_at ?? undefined
}

/** The tags under which a digest can be pulled; undefined: all. */
export async function findAllowedTags(
  database: Handle,
  repositoryId: string,
  digest: string,
): Promise<readonly string[] | undefined> {
  const row = await database
    .selectFrom('verdict')
    .select('allowed_tags')
    .where('repository_id', '=', repositoryId)
    .where('digest', '=', digest)
    .executeTakeFirst()
  return row?.allowed_tags ? (JSON.parse(row.allowed_tags) as string[]) : undefined
}

/** No answer on signatures from before stands in for a later one: who has to sign, or whose word counts, has changed. */
export async function forgetHeldSignatures(transaction: DatabaseTransaction): Promise<void> {
  await transaction
    .updateTable('verdict')
    .set({ signatures_held_at: null })
    .where('signatures_held_at', 'is not', null)
    .execute()
}

/** Keeps what the rule on signatures says beside its outcome. */
export async function saveSignatureStanding(
  transaction: DatabaseTransaction,
  repositoryId: string,
  digest: string,
  standing: {
    readonly allowedTags: readonly string[] | undefined
    /** Undefined: as before; null: not known to hold. */
    readonly heldAt: number | null | undefined
  },
): Promise<void> {
  const { allowedTags, heldAt } = standing
  await transaction
    .updateTable('verdict')
    .set({
      allowed_tags: allowedTags === undefined ? null : JSON.stringify(allowedTags),
      ...(heldAt === undefined ? {} : { signatures_held_at: heldAt }),
    })
    .where('repository_id', '=', repositoryId)
    .where('digest', '=', digest)
    .execute()
}

export async function saveVerdict(
  transaction: DatabaseTransaction,
  repositoryId: string,
  digest: string,
  verdict: Verdict,
): Promise<void> {
  const values = {
    state: verdict.state,
    reasons: JSON.stringify(verdict.reasons),
    policy_version: verdict.policyVersion,
    judged_at: verdict.judgedAt,
    grace_until: verdict.graceUntil ?? null,
  }
  await transaction
    .insertInto('verdict')
    .values({ repository_id: repositoryId, digest, ...values })
    .onConflict((conflict) => conflict.columns(['repository_id', 'digest']).doUpdateSet(values))
    .execute()
}

/**
 * The decision by hand that holds for a digest in a repository: the newest among those for the repository
 * and those for everywhere.
 */
export async function findManualDecision(
  database: Handle,
  repositoryId: string,
  digest: string,
): Promise<ManualDecision | undefined> {
  const row = await database
    .selectFrom('manual_decision')
    .selectAll()
    .where('digest', '=', digest)
    .where((expression) =>
      expression.or([
        expression('repository_id', 'is', null),
        expression('repository_id', '=', repositoryId),
      ]),
    )
    .orderBy('decided_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && { kind: row.kind, reason: row.reason, decidedBy: row.decided_by, decidedAt: row.decided_at }
}

/** The repositories that hold a digest. */
export async function repositoriesHolding(database: Handle, digest: string): Promise<RepositoryRef[]> {
  const rows = await database
    .selectFrom('repository_manifest')
    .innerJoin('repository', 'repository.id', 'repository_manifest.repository_id')
    .select(['repository.id', 'repository.name'])
    .where('repository_manifest.digest', '=', digest)
    .execute()
  return rows.map((row) => ({ id: row.id, name: row.name as RepositoryName }))
}

/** Digests of the indexes in a repository that list a manifest. */
export async function parentsOf(database: Handle, repositoryId: string, digest: string): Promise<Digest[]> {
  const rows = await database
    .selectFrom('manifest_reference')
    .innerJoin('repository_manifest', 'repository_manifest.digest', 'manifest_reference.manifest_digest')
    .select('repository_manifest.digest')
    .where('manifest_reference.target_digest', '=', digest)
    .where('manifest_reference.kind', '=', 'manifest')
    .where('repository_manifest.repository_id', '=', repositoryId)
    .execute()
  return rows.map((row) => row.digest as Digest)
}

/** Digests that an index lists. */
export async function childrenOf(database: Handle, digest: string): Promise<Digest[]> {
  const rows = await database
    .selectFrom('manifest_reference')
    .select('target_digest')
    .where('manifest_digest', '=', digest)
    .where('kind', '=', 'manifest')
    .execute()
  return rows.map((row) => row.target_digest as Digest)
}
