import { coversPattern, patternsMeet } from '../policy/offline.ts'
import type { RuntimeScope } from './types.ts'

/**
 * What holds for the repositories of a pattern alone. Others have no scope then, and are not to be trusted. Of several
 * scopes that hold all of the pattern the most specific one, which comes first, says what all of them say.
 */
export function restrictScopes(scopes: readonly RuntimeScope[], pattern: string): RuntimeScope[] {
  const restricted = scopes
    .filter(({ repositories }) => patternsMeet(repositories, pattern))
    .map((scope) =>
      coversPattern(scope.repositories, pattern) ? { ...scope, repositories: pattern } : scope,
    )
  const isFirst = (scope: RuntimeScope, index: number): boolean =>
    restricted.findIndex(
      (one) => one.repositories === scope.repositories && one.namespace === scope.namespace,
    ) === index
  return restricted.filter(isFirst)
}
