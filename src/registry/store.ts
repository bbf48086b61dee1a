import { sql } from 'kysely'
import type { Database, DatabaseTransaction } from '../database/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { Reference, RepositoryName, Tag } from '../kernel/reference.ts'
import type { ManifestReference, ParsedManifest } from './parse-manifest.ts'
import type { ManifestKind, RepositoryRef } from './types.ts'

type Handle = Database | DatabaseTransaction

/** Rows that one insert carries, well under the parameter limits of SQLite and PostgreSQL. */
const insertBatch = 500

/** A manifest as it was pushed, with what we know of it. */
export interface StoredManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly kind: ManifestKind
  readonly artifactType: string | undefined
  readonly configMediaType: string | undefined
  readonly subject: Digest | undefined
  readonly content: Buffer
}

export interface BlobRow {
  readonly digest: Digest
  readonly size: number
  readonly location: string
}

export async function findRepository(
  database: Handle,
  name: RepositoryName,
): Promise<RepositoryRef | undefined> {
  const row = await database.selectFrom('repository').select('id').where('name', '=', name).executeTakeFirst()
  return row && { id: row.id, name }
}

/** The digest that a tag points to, or the digest itself when the repository has it. */
export async function resolveReference(
  database: Handle,
  repositoryId: string,
  reference: Reference,
): Promise<Digest | undefined> {
  if (reference.kind === 'tag') {
    const tag = await database
      .selectFrom('tag')
      .select('digest')
      .where('repository_id', '=', repositoryId)
      .where('name', '=', reference.tag)
      .executeTakeFirst()
    return tag?.digest as Digest | undefined
  }
  const manifest = await database
    .selectFrom('repository_manifest')
    .select('digest')
    .where('repository_id', '=', repositoryId)
    .where('digest', '=', reference.digest)
    .executeTakeFirst()
  return manifest?.digest as Digest | undefined
}

/** A manifest that the repository has. */
export async function findManifest(
  database: Handle,
  repositoryId: string,
  digest: Digest,
): Promise<StoredManifest | undefined> {
  const row = await database
    .selectFrom('repository_manifest')
    .innerJoin('manifest', 'manifest.digest', 'repository_manifest.digest')
    .selectAll('manifest')
    .where('repository_manifest.repository_id', '=', repositoryId)
    .where('repository_manifest.digest', '=', digest)
    .executeTakeFirst()
  return row && asStoredManifest(row)
}

/** A manifest wherever it is; for work that is not on behalf of a caller. */
export async function findManifestAnywhere(
  database: Handle,
  digest: Digest,
): Promise<StoredManifest | undefined> {
  const row = await database
    .selectFrom('manifest')
    .selectAll()
    .where('digest', '=', digest)
    .executeTakeFirst()
  return row && asStoredManifest(row)
}

function asStoredManifest(row: {
  digest: string
  media_type: string
  kind: ManifestKind
  artifact_type: string | null
  config_media_type: string | null
  subject_digest: string | null
  content: Uint8Array
}): StoredManifest {
  const { buffer, byteOffset, length } = row.content
  return {
    digest: row.digest as Digest,
    mediaType: row.media_type,
    kind: row.kind,
    artifactType: row.artifact_type ?? undefined,
    configMediaType: row.config_media_type ?? undefined,
    subject: (row.subject_digest ?? undefined) as Digest | undefined,
    content: Buffer.from(buffer as ArrayBuffer, byteOffset, length),
  }
}

/** A blob that the repository has a link to. */
export async function findLinkedBlob(
  database: Handle,
  repositoryId: string,
  digest: Digest,
): Promise<BlobRow | undefined> {
  const row = await database
    .selectFrom('repository_blob')
    .innerJoin('blob', 'blob.digest', 'repository_blob.digest')
    .select(['blob.size', 'blob.location'])
    .where('repository_blob.repository_id', '=', repositoryId)
    .where('repository_blob.digest', '=', digest)
    .executeTakeFirst()
  return row && { digest, size: row.size, location: row.location }
}

export async function findBlob(database: Handle, digest: Digest): Promise<BlobRow | undefined> {
  const row = await database
    .selectFrom('blob')
    .select(['size', 'location'])
    .where('digest', '=', digest)
    .executeTakeFirst()
  return row && { digest, ...row }
}

/**
 * Links a blob into a repository and leases it, so that garbage collection waits for the manifest that is
 * to refer to it. A blob that was condemned is taken back in the same step.
 */
export async function linkBlob(
  transaction: DatabaseTransaction,
  repositoryId: string,
  digest: Digest,
  leasedUntil: number,
): Promise<void> {
  await transaction
    .insertInto('repository_blob')
    .values({ repository_id: repositoryId, digest, leased_until: leasedUntil })
    .onConflict((conflict) =>
      conflict.columns(['repository_id', 'digest']).doUpdateSet({ leased_until: leasedUntil }),
    )
    .execute()
  await transaction
    .updateTable('blob')
    .set({ condemned_at: null })
    .where('digest', '=', digest)
    .where('condemned_at', 'is not', null)
    .execute()
}

/** Stores a manifest and what it refers to. The same digest again changes nothing. */
export async function insertManifest(
  transaction: DatabaseTransaction,
  digest: Digest,
  parsed: ParsedManifest,
  content: Uint8Array,
  now: number,
): Promise<void> {
  const inserted = await transaction
    .insertInto('manifest')
    .values({
      digest,
      media_type: parsed.mediaType,
      artifact_type: parsed.artifactType ?? null,
      config_media_type: parsed.configMediaType ?? null,
      subject_digest: parsed.subject ?? null,
      kind: parsed.kind,
      size: content.length,
      annotations: JSON.stringify(parsed.annotations),
      content,
      created_at: now,
    })
    .onConflict((conflict) => conflict.column('digest').doNothing())
    .executeTakeFirst()
  if (inserted.numInsertedOrUpdatedRows === 0n) return
  const rows = distinctReferences(parsed.references).map(({ digest: target, kind }) => ({
    manifest_digest: digest,
    target_digest: target,
    kind,
  }))
  for (let index = 0; index < rows.length; index += insertBatch) {
    await transaction
      .insertInto('manifest_reference')
      .values(rows.slice(index, index + insertBatch))
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  }
}

/** Puts a manifest into a repository, or marks it pushed again. */
export async function linkManifest(
  transaction: DatabaseTransaction,
  repositoryId: string,
  digest: Digest,
  pushedBy: string,
  now: number,
): Promise<void> {
  await transaction
    .insertInto('repository_manifest')
    .values({
      repository_id: repositoryId,
      digest,
      pushed_by: pushedBy,
      pushed_at: now,
      pulled_at: null,
    })
    .onConflict((conflict) => conflict.columns(['repository_id', 'digest']).doUpdateSet({ pushed_at: now }))
    .execute()
}

export async function setTag(
  transaction: DatabaseTransaction,
  repositoryId: string,
  tag: Tag,
  digest: Digest,
  now: number,
): Promise<void> {
  await transaction
    .insertInto('tag')
    .values({ repository_id: repositoryId, name: tag, digest, updated_at: now })
    .onConflict((conflict) =>
      conflict.columns(['repository_id', 'name']).doUpdateSet({ digest, updated_at: now }),
    )
    .execute()
}

/** Which of these digests the repository does not have, as blobs or as manifests. */
export async function missingReferences(
  database: Handle,
  repositoryId: string,
  references: readonly ManifestReference[],
): Promise<{ missing: ManifestReference[]; sizes: ReadonlyMap<string, number> }> {
  const sizes = new Map<string, number>()
  const digests = [...new Set(references.map((reference) => reference.digest))]
  for (let index = 0; index < digests.length; index += insertBatch) {
    const some = digests.slice(index, index + insertBatch)
    const blobs = await database
      .selectFrom('repository_blob')
      .innerJoin('blob', 'blob.digest', 'repository_blob.digest')
      .select(['blob.digest', 'blob.size'])
      .where('repository_blob.repository_id', '=', repositoryId)
      .where('repository_blob.digest', 'in', some)
      .execute()
    const manifests = await database
      .selectFrom('repository_manifest')
      .innerJoin('manifest', 'manifest.digest', 'repository_manifest.digest')
      .select(['manifest.digest', 'manifest.size'])
      .where('repository_manifest.repository_id', '=', repositoryId)
      .where('repository_manifest.digest', 'in', some)
      .execute()
    const isManifest = new Set(
      references.filter((reference) => reference.kind === 'manifest').map((reference) => reference.digest),
    )
    for (const row of blobs) if (!isManifest.has(row.digest as Digest)) sizes.set(row.digest, row.size)
    for (const row of manifests) if (isManifest.has(row.digest as Digest)) sizes.set(row.digest, row.size)
  }
  return { missing: references.filter((reference) => !sizes.has(reference.digest)), sizes }
}

/** Tag names in byte order after `last`, at most `limit`. */
export async function listTags(
  database: Handle,
  repositoryId: string,
  last: string,
  limit: number,
): Promise<string[]> {
  const rows = await tagsAfter(database, repositoryId, last)
    .select('name')
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map((row) => row.name)
}

/**
 * Every tag name in byte order after `last`, as the text of a JSON array. The database joins the names: a
 * hundred thousand rows would each cost an object. The grammar of tags has nothing that JSON escapes.
 */
export async function listAllTags(database: Handle, repositoryId: string, last: string): Promise<string> {
  const { names } = await tagsAfter(database, repositoryId, last)
    .select((expression) =>
      expression.fn
        .agg<string | null>('string_agg', ['name', expression.val('","')])
        .orderBy('name')
        .as('names'),
    )
    .executeTakeFirstOrThrow()
  return names === null ? '[]' : `["${names}"]`
}

function tagsAfter(database: Handle, repositoryId: string, last: string) {
  return database.selectFrom('tag').where('repository_id', '=', repositoryId).where('name', '>', last)
}

/** Repository names in byte order after `last`, at most `limit`. */
export async function listRepositories(
  database: Handle,
  last: string,
  limit: number,
): Promise<RepositoryRef[]> {
  const rows = await database
    .selectFrom('repository')
    .select(['id', 'name'])
    .where('name', '>', last)
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map((row) => ({ id: row.id, name: row.name as RepositoryName }))
}

/** Marks manifests as pulled; a retention rule may ask for that. */
export async function markPulled(
  database: Handle,
  pulls: readonly { repositoryId: string; digest: string; at: number }[],
): Promise<void> {
  for (const pull of pulls) {
    await database
      .updateTable('repository_manifest')
      .set({ pulled_at: sql<number>`${pull.at}` })
      .where('repository_id', '=', pull.repositoryId)
      .where('digest', '=', pull.digest)
      .execute()
  }
}

function distinctReferences(references: readonly ManifestReference[]): ManifestReference[] {
  return [
    ...new Map(references.map((reference) => [`${reference.kind} ${reference.digest}`, reference])).values(),
  ]
}

/** The tags that name a digest in a repository; the first 50, or as many as are wanted. */
export async function tagsOf(
  database: Handle,
  repositoryId: string,
  digest: string,
  limit = 50,
): Promise<string[]> {
  const rows = await database
    .selectFrom('tag')
    .select('name')
    .where('repository_id', '=', repositoryId)
    .where('digest', '=', digest)
    .orderBy('name')
    .limit(limit)
    .execute()
  return rows.map(({ name }) => name)
}
