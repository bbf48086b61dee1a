import type { Database, DatabaseTransaction } from '../database/index.ts'
import { hexOf, algorithmOf, isDigest, type Digest } from '../kernel/digest.ts'
import type { Descriptor } from '../kernel/media-types.ts'
import type { Tag } from '../kernel/reference.ts'
import { findManifest, resolveReference } from './store.ts'

/** Entries of a fallback index that are looked at; clients write a handful. */
const maximumFallbackEntries = 1_000

/**
 * Descriptors of the manifests whose `subject` is the digest, in byte order of their digests
 * (distribution-spec, "Listing Referrers"), and those that older clients listed under the fallback tag
 * ("Referrers Tag Schema"). `artifactType` is always taken from the manifest itself.
 */
export async function listReferrers(
  database: Database | DatabaseTransaction,
  repositoryId: string,
  subject: Digest,
  page: { readonly artifactType?: string; readonly after?: string; readonly limit: number },
): Promise<Descriptor[]> {
  const fallback = await readFallbackTag(database, repositoryId, subject)
  let query = database
    .selectFrom('manifest')
    .innerJoin('repository_manifest', 'repository_manifest.digest', 'manifest.digest')
    .select(['manifest.digest', 'media_type', 'artifact_type', 'size', 'annotations'])
    .where('repository_manifest.repository_id', '=', repositoryId)
    .where((expression) =>
      expression.or([
        expression('manifest.subject_digest', '=', subject),
        ...(fallback.length > 0 ? [expression('manifest.digest', 'in', fallback)] : []),
      ]),
    )
    .where('manifest.digest', '>', page.after ?? '')
    .orderBy('manifest.digest')
    .limit(page.limit)
  if (page.artifactType !== undefined) query = query.where('artifact_type', '=', page.artifactType)
  return (await query.execute()).map((row) => ({
    mediaType: row.media_type,
    digest: row.digest,
    size: row.size,
    ...(row.artifact_type === null ? {} : { artifactType: row.artifact_type }),
    ...(row.annotations === '{}'
      ? {}
      : { annotations: JSON.parse(row.annotations) as Record<string, string> }),
  }))
}

async function readFallbackTag(
  database: Database | DatabaseTransaction,
  repositoryId: string,
  subject: Digest,
): Promise<string[]> {
  const tag = fallbackTag(subject)
  const digest = await resolveReference(database, repositoryId, { kind: 'tag', tag })
  const index = digest && (await findManifest(database, repositoryId, digest))
  if (!index || index.kind !== 'index') return []
  const { manifests } = JSON.parse(index.content.toString()) as { manifests: Descriptor[] }
  return manifests
    .slice(0, maximumFallbackEntries)
    .map((entry) => entry.digest)
    .filter(isDigest)
}

/** `<algorithm>-<hex>`, cut to the length that the specification allows. */
export function fallbackTag(subject: Digest): Tag {
  return `${algorithmOf(subject)}-${hexOf(subject).slice(0, 64)}` as Tag
}
