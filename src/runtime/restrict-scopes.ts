import { coversPattern, patternsMeet } from '../policy/offline.ts'
import type { RuntimeScope } from './types.ts'

/** What holds for the repositories of a pattern alone. Others have no scope then, and are not to be trusted. */
export function restrictScopes(scopes: readonly RuntimeScope[], pattern: string): RuntimeScope[] {
  return scopes
    .filter(({ repositories }) => patternsMeet(repositories, pattern))
    .map((scope) =>
      coversPattern(scope.repositories, pattern) ? { ...scope, repositories: pattern } : scope,
    )
}
