import { buffer } from 'node:stream/consumers'
import type { Database } from '../../database/index.ts'
import { isDigest, type Digest } from '../../kernel/digest.ts'
import { mediaTypes, type Descriptor } from '../../kernel/media-types.ts'
import type { RegistryParts } from '../parts.ts'
import { findLinkedBlob, findManifest, type BlobRow } from '../store.ts'
import { maximumSignatureBytes } from './parse-signature.ts'

/** Signatures of one image that are kept and listed. */
export const maximumSignatures = 100
/** In base64 this stays below the 4 MiB that containers/image reads of a list. */
export const maximumListBytes = 2 * 1024 * 1024

/**
 * The simple signatures of a manifest, in the order in which they first came to this registry: nobody can put
 * something in front of what is there, not even by pushing that again. Those beyond the limits are left out.
 */
export async function listSignatures(
  database: Database,
  repositoryId: string,
  subject: Digest,
): Promise<BlobRow[]> {
  const signatures = new Map<Digest, BlobRow>()
  let sizeBytes = 0
  for (const artifact of await listArtifacts(database, repositoryId, subject)) {
    for (const digest of await layersOf(database, repositoryId, artifact)) {
      const blob = signatures.has(digest) ? undefined : await findLinkedBlob(database, repositoryId, digest)
      if (!blob || blob.size > maximumSignatureBytes) continue
      if (signatures.size === maximumSignatures || sizeBytes + blob.size > maximumListBytes) break
      signatures.set(digest, blob)
      sizeBytes += blob.size
    }
  }
  return [...signatures.values()]
}

async function listArtifacts(database: Database, repositoryId: string, subject: Digest): Promise<Digest[]> {
  const rows = await database
    .selectFrom('manifest')
    .innerJoin('repository_manifest', 'repository_manifest.digest', 'manifest.digest')
    .select('manifest.digest')
    .where('repository_manifest.repository_id', '=', repositoryId)
    .where('manifest.subject_digest', '=', subject)
    .where('manifest.artifact_type', '=', mediaTypes.simpleSigning)
    .orderBy('manifest.created_at')
    .orderBy('manifest.digest')
    .limit(maximumSignatures)
    .execute()
  return rows.map(({ digest }) => digest as Digest)
}

async function layersOf(database: Database, repositoryId: string, artifact: Digest): Promise<Digest[]> {
  const manifest = await findManifest(database, repositoryId, artifact)
  if (!manifest || manifest.kind === 'index') return []
  const { layers } = JSON.parse(manifest.content.toString()) as { layers: readonly Descriptor[] }
  return layers
    .filter(({ mediaType }) => mediaType === mediaTypes.simpleSigningOpenpgp)
    .slice(0, maximumSignatures)
    .map(({ digest }) => digest)
    .filter(isDigest)
}

/** The bytes of a signature. */
export function readSignature(
  { blobs }: Pick<RegistryParts, 'blobs'>,
  { location }: BlobRow,
): Promise<Buffer> {
  return buffer(blobs.open(location))
}
