import { matchesGlob } from '../kernel/glob.ts'
import type { RuntimeScope } from './types.ts'

/** The scope that holds for a repository: the first that fits. Undefined: none does, and it is not to be trusted. */
export function findScope(scopes: readonly RuntimeScope[], repository: string): RuntimeScope | undefined {
  return scopes.find(
    ({ repositories, namespace }) => namespace === undefined && matchesGlob(repositories, repository),
  )
}
