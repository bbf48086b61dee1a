import type { Digest } from '../kernel/digest.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import type { Caller } from '../identity/index.ts'
import { ensureRepository } from './ensure-repository.ts'
import type { RegistryParts } from './parts.ts'
import { findBlob, findLinkedBlob, findRepository, linkBlob } from './store.ts'
import type { RepositoryRef } from './types.ts'

/** Repositories that are tried as the source of a mount that names none. */
const maximumSources = 50

/**
 * Links a blob that the caller may pull elsewhere into a repository, without bytes (distribution-spec,
 * "Mounting a blob from another repository"). Without `from` any repository that the caller may pull it from
 * serves. Gives false when there is none: the client then uploads, and learns nothing about what exists.
 */
export async function mountBlob(
  parts: RegistryParts,
  mount: { into: RepositoryName; from: RepositoryName | undefined; digest: Digest; caller: Caller },
): Promise<boolean> {
  const { into, from, digest, caller } = mount
  const sources =
    from === undefined ? await repositoriesWith(parts, digest) : [await named(parts, from, digest)]
  for (const source of sources) {
    if (!source || !(await mayPull(parts, source, digest, caller))) continue
    return parts.database.transaction().execute(async (transaction) => {
      if (!(await findBlob(transaction, digest))) return false
      const repository = await ensureRepository(parts, transaction, into, caller)
      await linkBlob(transaction, repository.id, digest, parts.clock.now() + parts.limits.blobLeaseMs)
      return true
    })
  }
  return false
}

async function named(
  parts: RegistryParts,
  name: RepositoryName,
  digest: Digest,
): Promise<RepositoryRef | undefined> {
  const repository = await findRepository(parts.database, name)
  return repository && (await findLinkedBlob(parts.database, repository.id, digest)) ? repository : undefined
}

async function repositoriesWith(parts: RegistryParts, digest: Digest): Promise<RepositoryRef[]> {
  const rows = await parts.database
    .selectFrom('repository_blob')
    .innerJoin('repository', 'repository.id', 'repository_blob.repository_id')
    .select(['repository.id', 'repository.name'])
    .where('repository_blob.digest', '=', digest)
    .orderBy('repository.name')
    .limit(maximumSources)
    .execute()
  return rows.map((row) => ({ id: row.id, name: row.name as RepositoryName }))
}

async function mayPull(
  parts: RegistryParts,
  repository: RepositoryRef,
  digest: Digest,
  caller: Caller,
): Promise<boolean> {
  if (!(await parts.isEntitled(caller, 'pull', repository.name))) return false
  try {
    await parts.pullGate({ caller, repository, target: { kind: 'blob', digest } })
    return true
  } catch {
    return false
  }
}
