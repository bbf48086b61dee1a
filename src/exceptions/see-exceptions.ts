import type { Database } from '../database/index.ts'
import type { Caller, Identity } from '../identity/index.ts'
import { matchesGlob } from '../kernel/glob.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import { probesOf } from './check-scope.ts'
import { getException, pageOfExceptions, unknownException, type ExceptionQuery } from './store.ts'
import type { Exception } from './types.ts'

export interface SeeingParts {
  readonly database: Database
  readonly identity: Identity
}

const rowsAtOnce = 200

/** An exception that the caller may know of. Any other is answered as if it were not there. */
export async function getVisible(parts: SeeingParts, caller: Caller, id: string): Promise<Exception> {
  await parts.identity.requireSignIn(caller)
  const exception = await getException(parts.database, id)
  if (await visibleTo(parts, caller)(exception)) return exception
  throw unknownException(id)
}

/** A page of the exceptions that the caller may know of, the newest first. */
export async function listVisible(
  parts: SeeingParts,
  caller: Caller,
  query: ExceptionQuery & { readonly repository?: string },
): Promise<{ items: Exception[]; isMore: boolean }> {
  await parts.identity.requireSignIn(caller)
  const isVisible = visibleTo(parts, caller)
  const items: Exception[] = []
  let { after } = query
  for (;;) {
    const page = await pageOfExceptions(parts.database, {
      ...query,
      ...(after === undefined ? {} : { after }),
      limit: rowsAtOnce,
    })
    for (const exception of page) {
      if (query.repository !== undefined && !matchesGlob(exception.scope.repositories, query.repository))
        continue
      if (!(await isVisible(exception))) continue
      if (items.length === query.limit) return { items, isMore: true }
      items.push(exception)
    }
    const last = page.at(-1)
    if (!last || page.length < rowsAtOnce) return { items, isMore: false }
    after = { requestedAt: last.requestedAt, id: last.id }
  }
}

/** One's own, and those that hold in a repository that one may pull from. */
function visibleTo({ database, identity }: SeeingParts, caller: Caller) {
  let repositories: Promise<RepositoryName[]> | undefined
  const known = new Map<string, Promise<boolean>>()
  const names = (): Promise<RepositoryName[]> =>
    (repositories ??= database
      .selectFrom('repository')
      .select('name')
      .execute()
      .then((rows) => rows.map(({ name }) => name as RepositoryName)))
  const mayPullSome = async (glob: string): Promise<boolean> => {
    const there = (await names()).filter((name) => matchesGlob(glob, name))
    for (const name of [...there, ...(there.length === 0 ? probesOf(glob) : [])]) {
      if (await identity.mayAccess(caller, 'pull', name)) return true
    }
    return false
  }
  return async ({ requestedBy, scope }: Exception): Promise<boolean> => {
    if (requestedBy.subject === caller.principal.subject) return true
    const found = known.get(scope.repositories) ?? mayPullSome(scope.repositories)
    known.set(scope.repositories, found)
    return found
  }
}
