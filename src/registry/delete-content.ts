import type { Digest } from '../kernel/digest.ts'
import { formatReference, type Reference, type RepositoryName, type Tag } from '../kernel/reference.ts'
import type { Caller } from '../identity/index.ts'
import type { DatabaseTransaction } from '../database/index.ts'
import { RegistryFailure } from './failures.ts'
import type { RegistryParts } from './parts.ts'
import { findRepository, resolveReference } from './store.ts'
import type { RegistryEvents, RepositoryRef } from './types.ts'

/**
 * Deletes a tag, or a manifest with all its tags (distribution-spec, "Content Management"). Throws
 * MANIFEST_UNKNOWN.
 */
export async function deleteManifest(
  parts: RegistryParts,
  name: RepositoryName,
  reference: Reference,
  caller: Caller,
): Promise<void> {
  await parts.database.transaction().execute(async (transaction) => {
    const repository = await findRepository(transaction, name)
    const digest = repository && (await resolveReference(transaction, repository.id, reference))
    if (!repository || !digest) {
      throw new RegistryFailure('MANIFEST_UNKNOWN', `${name} has no manifest ${formatReference(reference)}`)
    }
    if (reference.kind === 'tag') await deleteTags(parts.events, transaction, repository, [reference.tag])
    else await unlinkManifest(parts.events, transaction, repository, digest)
    const what = reference.kind === 'tag' ? ('tag' as const) : ('manifest' as const)
    await parts.events.contentDeleted(transaction, {
      repository,
      what,
      name: formatReference(reference),
      caller,
    })
  })
}

/** Unlinks a blob that no manifest of the repository needs. Throws BLOB_UNKNOWN or UNSUPPORTED. */
export async function deleteBlob(
  parts: RegistryParts,
  name: RepositoryName,
  digest: Digest,
  caller: Caller,
): Promise<void> {
  await parts.database.transaction().execute(async (transaction) => {
    const repository = await findRepository(transaction, name)
    if (!repository) throw unknownBlob(name, digest)
    const user = await transaction
      .selectFrom('manifest_reference')
      .innerJoin('repository_manifest', 'repository_manifest.digest', 'manifest_reference.manifest_digest')
      .select('repository_manifest.digest')
      .where('manifest_reference.target_digest', '=', digest)
      .where('repository_manifest.repository_id', '=', repository.id)
      .executeTakeFirst()
    if (user) {
      throw new RegistryFailure(
        'UNSUPPORTED',
        `manifest ${user.digest} refers to blob ${digest}; delete the manifest, and garbage collection frees the blob`,
      )
    }
    const deleted = await transaction
      .deleteFrom('repository_blob')
      .where('repository_id', '=', repository.id)
      .where('digest', '=', digest)
      .executeTakeFirst()
    if (deleted.numDeletedRows === 0n) throw unknownBlob(name, digest)
    await parts.events.contentDeleted(transaction, { repository, what: 'blob', name: digest, caller })
  })
}

/** Takes a manifest and its tags out of a repository, in the transaction of whoever decided so. */
export async function unlinkManifest(
  events: RegistryEvents,
  transaction: DatabaseTransaction,
  repository: RepositoryRef,
  digest: string,
): Promise<void> {
  const tags = await transaction
    .selectFrom('tag')
    .select('name')
    .where('repository_id', '=', repository.id)
    .where('digest', '=', digest)
    .execute()
  await deleteTags(
    events,
    transaction,
    repository,
    tags.map((tag) => tag.name as Tag),
  )
  await transaction
    .deleteFrom('repository_manifest')
    .where('repository_id', '=', repository.id)
    .where('digest', '=', digest)
    .execute()
}

async function deleteTags(
  events: RegistryEvents,
  transaction: DatabaseTransaction,
  repository: RepositoryRef,
  tags: readonly Tag[],
): Promise<void> {
  for (const tag of tags) {
    await events.assertTagMutable(transaction, repository, tag, undefined)
    await transaction
      .deleteFrom('tag')
      .where('repository_id', '=', repository.id)
      .where('name', '=', tag)
      .execute()
  }
}

function unknownBlob(name: RepositoryName, digest: Digest): RegistryFailure {
  return new RegistryFailure('BLOB_UNKNOWN', `${name} has no blob ${digest}`)
}
