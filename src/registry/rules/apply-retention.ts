import type { Database, DatabaseTransaction } from '../../database/index.ts'
import type { Caller } from '../../identity/index.ts'
import type { Clock } from '../../kernel/clock.ts'
import { Failure } from '../../kernel/failure.ts'
import { matchesGlob } from '../../kernel/glob.ts'
import type { RepositoryName, Tag } from '../../kernel/reference.ts'
import { unlinkManifest } from '../delete-content.ts'
import type { RegistryEvents, RepositoryRef } from '../types.ts'
import type { RetentionReport, RetentionSettings } from '../wire.ts'

const dayMs = 24 * 3_600_000

export interface RetentionParts {
  readonly database: Database
  readonly clock: Clock
  readonly events: RegistryEvents
}

interface Candidate {
  readonly digest: string
  readonly kind: string
  readonly subject: string | null
  readonly pushedAt: number
  readonly pulledAt: number | null
  readonly tags: readonly string[]
}

/**
 * Deletes what no retention rule keeps, in the repositories that have one. What an index that stays lists,
 * and what refers to something that stays, stays too. An immutable tag keeps its manifest.
 */
export async function applyRetention(
  parts: RetentionParts,
  caller: Caller,
  dryRun: boolean,
): Promise<RetentionReport> {
  const { database } = parts
  const rules = await database
    .selectFrom('repository_rule')
    .selectAll()
    .where('kind', '=', 'retention')
    .execute()
  const repositories = await database
    .selectFrom('repository')
    .select(['id', 'name'])
    .orderBy('name')
    .execute()
  const deleted: RetentionReport['deleted'] = []
  for (const row of repositories) {
    const settings = rules
      .filter((rule) => matchesGlob(rule.repository_glob, row.name))
      .map((rule) => JSON.parse(rule.settings) as RetentionSettings)
    if (settings.length === 0) continue
    const repository: RepositoryRef = { id: row.id, name: row.name as RepositoryName }
    for (const { digest, tags } of await findExpired(parts, repository, settings)) {
      if (dryRun || (await deleteOne(parts, repository, digest, settings, caller))) {
        deleted.push({ repository: repository.name, digest, tags: [...tags] })
      }
    }
  }
  return { dryRun, deleted }
}

/** Looked at again inside the transaction: a push or pull that came meanwhile keeps the manifest. */
async function deleteOne(
  parts: RetentionParts,
  repository: RepositoryRef,
  digest: string,
  settings: readonly RetentionSettings[],
  caller: Caller,
): Promise<boolean> {
  try {
    return await parts.database.transaction().execute(async (transaction) => {
      const still = await expiredIn(transaction, repository, settings, parts.clock.now())
      if (!still.some((candidate) => candidate.digest === digest)) return false
      await unlinkManifest(parts.events, transaction, repository, digest)
      await parts.events.contentDeleted(transaction, { repository, what: 'manifest', name: digest, caller })
      return true
    })
  } catch (error) {
    if (error instanceof Failure && error.code === 'TAG_IMMUTABLE') return false
    throw error
  }
}

async function findExpired(
  parts: RetentionParts,
  repository: RepositoryRef,
  settings: readonly RetentionSettings[],
): Promise<Candidate[]> {
  const expired = await expiredIn(parts.database, repository, settings, parts.clock.now())
  const mutable: Candidate[] = []
  for (const candidate of expired) {
    const isFixed = await parts.database.transaction().execute((transaction) =>
      Promise.all(
        candidate.tags.map((tag) =>
          parts.events.assertTagMutable(transaction, repository, tag as Tag, undefined),
        ),
      ).then(
        () => false,
        () => true,
      ),
    )
    if (!isFixed) mutable.push(candidate)
  }
  return mutable
}

async function expiredIn(
  database: Database | DatabaseTransaction,
  repository: RepositoryRef,
  settings: readonly RetentionSettings[],
  now: number,
): Promise<Candidate[]> {
  const candidates = await listCandidates(database, repository.id)
  const children = await database
    .selectFrom('manifest_reference')
    .innerJoin('repository_manifest', 'repository_manifest.digest', 'manifest_reference.manifest_digest')
    .select(['manifest_digest', 'target_digest'])
    .where('repository_id', '=', repository.id)
    .where('kind', '=', 'manifest')
    .execute()
  const kept = new Set(keptByRules(candidates, settings, now))
  // Down to children and over to referrers, until nothing new is kept.
  for (let before = -1; before !== kept.size;) {
    before = kept.size
    for (const { manifest_digest: parent, target_digest: child } of children)
      if (kept.has(parent)) kept.add(child)
    for (const { digest, subject } of candidates) if (subject !== null && kept.has(subject)) kept.add(digest)
  }
  return candidates.filter(({ digest }) => !kept.has(digest))
}

function keptByRules(
  candidates: readonly Candidate[],
  settings: readonly RetentionSettings[],
  now: number,
): string[] {
  const tagged = candidates
    .filter(({ tags }) => tags.length > 0)
    .toSorted((left, right) => right.pushedAt - left.pushedAt)
  return settings
    .flatMap(({ keepLast, keepPushedWithinDays, keepPulledWithinDays }) => [
      ...tagged.slice(0, keepLast ?? 0),
      ...candidates.filter(
        ({ pushedAt, pulledAt }) =>
          (keepPushedWithinDays !== undefined && pushedAt >= now - keepPushedWithinDays * dayMs) ||
          (keepPulledWithinDays !== undefined && (pulledAt ?? 0) >= now - keepPulledWithinDays * dayMs),
      ),
    ])
    .map(({ digest }) => digest)
}

async function listCandidates(
  database: Database | DatabaseTransaction,
  repositoryId: string,
): Promise<Candidate[]> {
  const rows = await database
    .selectFrom('repository_manifest')
    .innerJoin('manifest', 'manifest.digest', 'repository_manifest.digest')
    .select(['manifest.digest', 'kind', 'subject_digest', 'pushed_at', 'pulled_at'])
    .where('repository_id', '=', repositoryId)
    .execute()
  const tags = await database
    .selectFrom('tag')
    .select(['name', 'digest'])
    .where('repository_id', '=', repositoryId)
    .execute()
  const byDigest = Map.groupBy(tags, (tag) => tag.digest)
  return rows.map((row) => ({
    digest: row.digest,
    kind: row.kind,
    subject: row.subject_digest,
    pushedAt: row.pushed_at,
    pulledAt: row.pulled_at,
    tags: (byDigest.get(row.digest) ?? []).map((tag) => tag.name),
  }))
}
