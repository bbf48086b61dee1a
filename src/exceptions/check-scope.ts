import { randomBytes } from 'node:crypto'
import type { Database } from '../database/index.ts'
import { IdentityFailure, type Action, type Caller, type Identity } from '../identity/index.ts'
import { matchesGlob } from '../kernel/glob.ts'
import { parseRepositoryName, type RepositoryName } from '../kernel/reference.ts'
import type { ExceptionScope } from './types.ts'

/** Parts that `**` is tried with: none, one, and more than anybody spells out in patterns of `*`. */
const depths = [0, 1, 2, 12]

/**
 * Throws unless the caller has a right on everything that a pattern covers: each repository that there is, and
 * made-up names that only a pattern as wide as this one would let through. A pattern can therefore never reach
 * further than its author.
 */
export async function requireAccessToAll(
  database: Database,
  identity: Pick<Identity, 'requireAccess' | 'mayAccess'>,
  caller: Caller,
  action: Action,
  { repositories }: ExceptionScope,
): Promise<void> {
  if (!repositories.includes('*')) {
    return identity.requireAccess(caller, action, parseRepositoryName(repositories))
  }
  const names = [...probesOf(repositories), ...(await repositoriesMatching(database, repositories))]
  for (const name of names) {
    if (await identity.mayAccess(caller, action, name)) continue
    throw new IdentityFailure(
      'DENIED',
      `${action} on all of ${repositories} is not yours to give; name a narrower pattern or a repository`,
    )
  }
}

/** The repositories that there are and that a pattern covers. */
export async function repositoriesMatching(database: Database, glob: string): Promise<RepositoryName[]> {
  let query = database.selectFrom('repository').select('name')
  if (!glob.includes('*')) query = query.where('name', '=', glob)
  const rows = await query.execute()
  return rows.map(({ name }) => name as RepositoryName).filter((name) => matchesGlob(glob, name))
}

/**
 * Names that a pattern covers and that nobody could have foreseen. Two alphabets that have nothing in common:
 * a pattern that happens to hold a letter of one does not match the other.
 */
export function probesOf(glob: string): RepositoryName[] {
  const probes = depths.flatMap((depth) =>
    ['acegikmoqsuwy024', 'bdfhjlnprtvxz135'].map((alphabet) => fill(glob, depth, alphabet)),
  )
  return [...new Set(probes)].filter(isRepositoryName)
}

function fill(glob: string, depth: number, alphabet: string): string {
  return glob
    .split('/')
    .flatMap((part) =>
      part === '**'
        ? Array.from({ length: depth }, () => unforeseen(alphabet))
        : [part.replaceAll('*', () => unforeseen(alphabet))],
    )
    .join('/')
}

function unforeseen(alphabet: string): string {
  return Array.from(randomBytes(12), (byte) => alphabet[byte % alphabet.length]).join('')
}

function isRepositoryName(text: string): text is RepositoryName {
  try {
    parseRepositoryName(text)
    return true
  } catch {
    return false
  }
}
