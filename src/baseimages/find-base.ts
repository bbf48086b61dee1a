import type { Database, DatabaseTransaction } from '../database/index.ts'

/** The base that an image was built on. */
export interface BaseMatch {
  readonly status: 'approved' | 'withdrawn' | 'unknown'
  readonly name?: string
  readonly version?: string
  readonly digest?: string
  /** Layers of the image that are the base's. */
  readonly layers?: number
  /** The newest approved version of the same base, when it is a newer one. */
  readonly newer?: string
  /** The image of that version, for the same platform. */
  readonly newerDigest?: string
}

/**
 * The approved base whose layers an image starts with; the longest one wins, so that an image on Alpine with
 * NGINX is not taken for one on Alpine alone. `diffIds` are those that the scanner computed while it read the
 * layers: what an image's config claims is not evidence.
 */
export async function findBaseOf(
  database: Database | DatabaseTransaction,
  diffIds: readonly string[],
): Promise<BaseMatch> {
  if (diffIds.length === 0) return { status: 'unknown' }
  const rows = await database.selectFrom('approved_base').selectAll().orderBy('approved_at').execute()
  const bases = rows.map((row) => ({ ...row, layers: JSON.parse(row.diff_ids) as string[] }))
  const fitting = bases
    .filter(({ layers }) => layers.length > 0 && layers.every((layer, index) => layer === diffIds[index]))
    // Among equal layers one that still is approved says more than one that is not.
    .toSorted(
      (left, right) =>
        right.layers.length - left.layers.length ||
        Number(left.withdrawn_at !== null) - Number(right.withdrawn_at !== null),
    )
  const [best] = fitting
  if (!best) return { status: 'unknown' }
  const newest = bases.findLast(
    ({ name, platform, withdrawn_at: withdrawn }) =>
      name === best.name && platform === best.platform && withdrawn === null,
  )
  const isNewer =
    newest !== undefined && newest.approved_at > best.approved_at && newest.version !== best.version
  return {
    status: best.withdrawn_at === null ? 'approved' : 'withdrawn',
    name: best.name,
    version: best.version,
    digest: best.digest,
    layers: best.layers.length,
    ...(isNewer ? { newer: newest.version, newerDigest: newest.digest } : {}),
  }
}
