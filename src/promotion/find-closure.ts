import type { Database, DatabaseTransaction } from '../database/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { Tag } from '../kernel/reference.ts'
import { fallbackTag } from '../registry/index.ts'
import { PromotionFailure } from './failures.ts'

/** Manifests that one promotion may carry. */
const maximumManifests = 5_000

/** All that belongs to an image: what it lists, what refers to it, and the tags that name those. */
export interface Closure {
  readonly manifests: readonly Digest[]
  /** Tags such as `sha256-<hex>.sig`, which belong to a digest and not to people. */
  readonly tags: readonly { readonly tag: Tag; readonly digest: Digest }[]
}

const signatureSuffixes = ['.sig', '.att', '.sbom', '']

/** Finds the closure of a manifest inside a repository: downwards to children, and referrers of all of them. */
export async function findClosure(
  database: Database | DatabaseTransaction,
  repositoryId: string,
  root: Digest,
): Promise<Closure> {
  const found = new Set<Digest>()
  const tags = new Map<Tag, Digest>()
  const open: Digest[] = [root]
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    if (found.has(digest)) continue
    found.add(digest)
    if (found.size > maximumManifests) {
      throw new PromotionFailure(
        'PROMOTION_REFUSED',
        `more than ${maximumManifests} manifests belong to ${root}`,
      )
    }
    for (const tag of await signatureTags(database, repositoryId, digest)) {
      tags.set(tag.tag, tag.digest)
      open.push(tag.digest)
    }
    open.push(...(await childrenHere(database, repositoryId, digest)))
    open.push(...(await referrersHere(database, repositoryId, digest)))
  }
  return { manifests: [...found], tags: [...tags].map(([tag, digest]) => ({ tag, digest })) }
}

async function childrenHere(
  database: Database | DatabaseTransaction,
  repositoryId: string,
  digest: Digest,
): Promise<Digest[]> {
  const rows = await database
    .selectFrom('manifest_reference')
    .innerJoin('repository_manifest', 'repository_manifest.digest', 'manifest_reference.target_digest')
    .select('repository_manifest.digest')
    .where('manifest_digest', '=', digest)
    .where('kind', '=', 'manifest')
    .where('repository_id', '=', repositoryId)
    .execute()
  return rows.map((row) => row.digest as Digest)
}

async function referrersHere(
  database: Database | DatabaseTransaction,
  repositoryId: string,
  digest: Digest,
): Promise<Digest[]> {
  const rows = await database
    .selectFrom('manifest')
    .innerJoin('repository_manifest', 'repository_manifest.digest', 'manifest.digest')
    .select('manifest.digest')
    .where('subject_digest', '=', digest)
    .where('repository_id', '=', repositoryId)
    .execute()
  return rows.map((row) => row.digest as Digest)
}

async function signatureTags(
  database: Database | DatabaseTransaction,
  repositoryId: string,
  digest: Digest,
): Promise<{ tag: Tag; digest: Digest }[]> {
  const names = signatureSuffixes.map((suffix) => `${fallbackTag(digest)}${suffix}`)
  const rows = await database
    .selectFrom('tag')
    .select(['name', 'digest'])
    .where('repository_id', '=', repositoryId)
    .where('name', 'in', names)
    .execute()
  return rows.map((row) => ({ tag: row.name as Tag, digest: row.digest as Digest }))
}
