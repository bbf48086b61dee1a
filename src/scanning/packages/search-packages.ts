import { sql } from 'kysely'
import type { Database } from '../../database/index.ts'
import type { PackageType } from '../types.ts'
import { versionOrders } from '../versions/index.ts'

/** Which packages are looked for. */
export interface PackageQuery {
  /** Name, or source package; `*` stands for any characters. */
  readonly name: string
  readonly type?: PackageType
  /** Only versions before this one, in the order of the package's own kind. */
  readonly below?: string
  /** Only exactly this version. */
  readonly version?: string
}

/** A place where a package is. */
export interface PackagePlace {
  readonly repository: string
  readonly digest: string
  readonly type: PackageType
  readonly name: string
  readonly version: string
  readonly verdict: string
}

/** A repository that is searched. */
export interface SearchedRepository {
  readonly id: string
  readonly name: string
}

const rowsAtOnce = 1_000
/** Rows that one search looks at: a pattern may fit everything that there is. */
const maximumRows = 100_000
/** Values of one statement, below what SQLite and PostgreSQL take. */
const repositoriesAtOnce = 400

/**
 * Where a package is, image by image, in the order of the repositories, which are those that the caller may
 * look into. There is more when the limit is met, or the search would have to look at too much.
 */
export async function searchPackages(
  database: Database,
  query: PackageQuery,
  repositories: readonly SearchedRepository[],
  limit: number,
): Promise<{
  readonly places: readonly (PackagePlace & { readonly repositoryId: string })[]
  more: boolean
}> {
  const places: (PackagePlace & { repositoryId: string })[] = []
  let looked = 0
  for (let at = 0; at < repositories.length; at += repositoriesAtOnce) {
    const some = repositories.slice(at, at + repositoriesAtOnce).map(({ id }) => id)
    for (let offset = 0; ; offset += rowsAtOnce) {
      const rows = await page(database, query, some, offset)
      looked += rows.length
      for (const row of rows) {
        const type = row.type as PackageType
        if (!isWanted(query, type, row.version)) continue
        if (places.length === limit) return { places, more: true }
        places.push({ ...row, type, verdict: row.verdict ?? 'pending' })
      }
      if (looked >= maximumRows) return { places, more: true }
      if (rows.length < rowsAtOnce) break
    }
  }
  return { places, more: false }
}

function isWanted({ below }: PackageQuery, type: PackageType, found: string): boolean {
  return below === undefined || versionOrders[type](found, below) < 0
}

function page(
  database: Database,
  { name, type, version }: PackageQuery,
  repositories: readonly string[],
  offset: number,
) {
  const isPattern = name.includes('*')
  const pattern = name.replaceAll(/[\\%_]/g, '\\$&').replaceAll('*', '%')
  let rows = database
    .selectFrom('known_package')
    .innerJoin('image_package', 'image_package.package_key', 'known_package.key')
    .innerJoin('repository_manifest', 'repository_manifest.digest', 'image_package.digest')
    .innerJoin('repository', 'repository.id', 'repository_manifest.repository_id')
    .leftJoin('verdict', (join) =>
      join
        .onRef('verdict.repository_id', '=', 'repository.id')
        .onRef('verdict.digest', '=', 'image_package.digest'),
    )
    .select([
      'repository.id as repositoryId',
      'repository.name as repository',
      'image_package.digest',
      'known_package.type',
      'known_package.name',
      'known_package.version',
      'verdict.state as verdict',
    ])
    .where('repository.id', 'in', repositories)
    .where('image_package.is_removed', '=', 0)
    .where((expression) =>
      expression.or(
        (['known_package.name', 'known_package.source_name'] as const).map((column) =>
          isPattern
            ? // The databases differ in whether patterns heed case; names of packages do not.
              sql<boolean>`lower(${expression.ref(column)}) like ${pattern.toLowerCase()} escape '\\'`
            : expression(column, '=', name),
        ),
      ),
    )
  if (type !== undefined) rows = rows.where('known_package.type', '=', type)
  if (version !== undefined) rows = rows.where('known_package.version', '=', version)
  return rows
    .orderBy('repository.name')
    .orderBy('image_package.digest')
    .orderBy('known_package.name')
    .orderBy('known_package.version')
    .orderBy('known_package.type')
    .limit(rowsAtOnce)
    .offset(offset)
    .execute()
}
