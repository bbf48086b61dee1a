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

const rowsAtOnce = 1_000

/**
 * Where a package is, image by image, in the order of repositories. Rows are read in pages and given one by
 * one, so that whoever asks can stop.
 */
export async function* searchPackages(
  database: Database,
  query: PackageQuery,
): AsyncIterable<PackagePlace & { readonly repositoryId: string }> {
  for (let offset = 0; ; offset += rowsAtOnce) {
    const rows = await page(database, query, offset)
    for (const row of rows) {
      const type = row.type as PackageType
      if (query.version !== undefined && row.version !== query.version) continue
      if (query.below !== undefined && versionOrders[type](row.version, query.below) >= 0) continue
      yield { ...row, type, verdict: row.verdict ?? 'pending' }
    }
    if (rows.length < rowsAtOnce) return
  }
}

function page(database: Database, { name, type }: PackageQuery, offset: number) {
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
    .where((expression) =>
      expression.or(
        (['known_package.name', 'known_package.source_name'] as const).map((column) =>
          isPattern
            ? sql<boolean>`${expression.ref(column)} like ${pattern} escape '\\'`
            : expression(column, '=', name),
        ),
      ),
    )
  if (type !== undefined) rows = rows.where('known_package.type', '=', type)
  return rows
    .orderBy('repository.name')
    .orderBy('image_package.digest')
    .orderBy('known_package.name')
    .orderBy('known_package.version')
    .limit(rowsAtOnce)
    .offset(offset)
    .execute()
}
