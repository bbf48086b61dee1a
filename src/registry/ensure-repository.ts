import { randomUUID } from 'node:crypto'
import type { DatabaseTransaction } from '../database/index.ts'
import type { Caller } from '../identity/index.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import type { RegistryParts } from './parts.ts'
import { findRepository } from './store.ts'
import type { RepositoryRef } from './types.ts'

/** The repository of this name; the first push makes it. */
export async function ensureRepository(
  parts: Pick<RegistryParts, 'clock' | 'ensureProject'>,
  transaction: DatabaseTransaction,
  name: RepositoryName,
  caller: Caller,
): Promise<RepositoryRef> {
  const found = await findRepository(transaction, name)
  if (found) return found
  const projectId = await parts.ensureProject(transaction, name, caller)
  const id = randomUUID()
  await transaction
    .insertInto('repository')
    .values({ id, project_id: projectId, name, created_at: parts.clock.now() })
    .execute()
  return { id, name }
}
