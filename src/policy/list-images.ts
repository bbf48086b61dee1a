import { findBaseOf } from '../baseimages/index.ts'
import type { Database } from '../database/index.ts'
import type { Caller } from '../identity/index.ts'
import { matchesGlob } from '../kernel/glob.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import type { MayAccess } from '../registry/index.ts'
import { findReport, findScan } from '../scanning/index.ts'
import type { ImageBody, ImageList, StateName } from './wire.ts'

const batchSize = 200
const separator = '@'

export interface ImageFilter {
  readonly limit: number
  readonly after?: string
  /** Pattern over repository names. */
  readonly repositories?: string
  readonly verdict?: StateName
}

/** Images and indexes that the caller may pull from, with what is known of each; artifacts are left out. */
export async function listImages(
  parts: { readonly database: Database; readonly mayAccess: MayAccess },
  caller: Caller,
  filter: ImageFilter,
): Promise<ImageList> {
  const items: ImageBody[] = []
  let [repositoryAfter = '', digestAfter = ''] = (filter.after ?? '').split(separator)
  for (;;) {
    const rows = await page(parts.database, repositoryAfter, digestAfter, filter.verdict)
    for (const row of rows) {
      ;[repositoryAfter, digestAfter] = [row.repository, row.digest]
      if (filter.repositories !== undefined && !matchesGlob(filter.repositories, row.repository)) continue
      if (!(await parts.mayAccess(caller, 'pull', row.repository as RepositoryName))) continue
      if (items.length === filter.limit) {
        const last = items.at(-1)
        return { items, ...(last ? { next: `${last.repository}${separator}${last.digest}` } : {}) }
      }
      items.push(await describeImage(parts.database, row))
    }
    if (rows.length < batchSize) return { items }
  }
}

export interface ImageRow {
  readonly repository_id: string
  readonly repository: string
  readonly digest: string
  readonly kind: string
  readonly state: StateName | null
  readonly pushed_at: number
}

/** Everything that a row of the list shows. */
export async function describeImage(database: Database, row: ImageRow): Promise<ImageBody> {
  const tags = await database
    .selectFrom('tag')
    .select('name')
    .where('repository_id', '=', row.repository_id)
    .where('digest', '=', row.digest)
    .orderBy('name')
    .limit(50)
    .execute()
  const { size } = await database
    .selectFrom('manifest_reference')
    .innerJoin('blob', 'blob.digest', 'manifest_reference.target_digest')
    .select((expression) => expression.fn.sum<number | null>('blob.size').as('size'))
    .where('manifest_digest', '=', row.digest)
    .executeTakeFirstOrThrow()
  const report = await findReport(database, row.digest)
  const findings: Record<string, number> = {}
  for (const { severity, removedBy } of report?.findings ?? []) {
    if (removedBy === undefined) findings[severity] = (findings[severity] ?? 0) + 1
  }
  const diffIds = (await findScan(database, row.digest))?.inventory?.layers.map((layer) => layer.diffId) ?? []
  const base = await findBaseOf(database, diffIds)
  return {
    repository: row.repository,
    digest: row.digest,
    tags: tags.map((tag) => tag.name),
    kind: row.kind,
    verdict: row.state ?? 'pending',
    findings,
    base: base.name === undefined ? 'unknown base' : `${base.name} ${base.version}`,
    sizeBytes: Number(size ?? 0),
    pushedAt: new Date(row.pushed_at).toISOString(),
  }
}

async function page(
  database: Database,
  repositoryAfter: string,
  digestAfter: string,
  verdict: StateName | undefined,
): Promise<ImageRow[]> {
  let query = imageRows(database)
    .where('manifest.kind', 'in', ['image', 'index'])
    .where((expression) =>
      expression.or([
        expression('repository.name', '>', repositoryAfter),
        expression.and([
          expression('repository.name', '=', repositoryAfter),
          expression('manifest.digest', '>', digestAfter),
        ]),
      ]),
    )
    .orderBy('repository.name')
    .orderBy('manifest.digest')
    .limit(batchSize)
  if (verdict !== undefined) query = query.where('verdict.state', '=', verdict)
  return query.execute()
}

/** The query behind a row, for a list or for one image. */
export function imageRows(database: Database) {
  return database
    .selectFrom('repository_manifest')
    .innerJoin('repository', 'repository.id', 'repository_manifest.repository_id')
    .innerJoin('manifest', 'manifest.digest', 'repository_manifest.digest')
    .leftJoin('verdict', (join) =>
      join
        .onRef('verdict.repository_id', '=', 'repository_manifest.repository_id')
        .onRef('verdict.digest', '=', 'repository_manifest.digest'),
    )
    .select([
      'repository.id as repository_id',
      'repository.name as repository',
      'manifest.digest',
      'manifest.kind',
      'verdict.state',
      'repository_manifest.pushed_at',
    ])
}
