import { buffer } from 'node:stream/consumers'
import type { Database, DatabaseTransaction } from '../database/index.ts'
import { algorithmOf, digestOf, type Digest } from '../kernel/digest.ts'
import type { Tag } from '../kernel/reference.ts'
import {
  findLinkedBlob,
  findManifest,
  listReferrers,
  resolveReference,
  type BlobStore,
} from '../registry/index.ts'
import { EvidenceUnavailable, type EvidenceSource } from './types.ts'

export interface RegistrySourceParts {
  readonly database: Database | DatabaseTransaction
  readonly blobs: BlobStore
}

/** What this registry holds in one repository. */
export function registrySource(
  { database, blobs }: RegistrySourceParts,
  repositoryId: string,
): EvidenceSource {
  return {
    findTag: (tag) => resolveReference(database, repositoryId, { kind: 'tag', tag: tag as Tag }),
    async findManifest(digest) {
      const manifest = await findManifest(database, repositoryId, digest)
      return manifest && { bytes: manifest.content, mediaType: manifest.mediaType }
    },
    async listReferrers(digest, limit) {
      const found = await listReferrers(database, repositoryId, digest, { limit })
      return found.map((referrer) => referrer.digest as Digest)
    },
    async readBlob(digest, maximumBytes) {
      const blob = await findLinkedBlob(database, repositoryId, digest)
      if (!blob) throw new EvidenceUnavailable(`the blob ${digest} is not here`)
      if (blob.size > maximumBytes) throw new EvidenceUnavailable(`the blob ${digest} has ${blob.size} bytes`)
      return readChecked(blobs, blob.location, digest)
    },
  }
}

/** A damaged file says nothing, neither good nor bad. */
async function readChecked(
  blobs: BlobStore,
  location: Parameters<BlobStore['open']>[0],
  digest: Digest,
): Promise<Buffer> {
  let bytes: Buffer
  try {
    bytes = await buffer(blobs.open(location))
  } catch (error) {
    throw new EvidenceUnavailable(`the blob ${digest} cannot be read: ${(error as Error).message}`)
  }
  if (digestOf(bytes, algorithmOf(digest)) === digest) return bytes
  throw new EvidenceUnavailable(`the blob ${digest} is damaged`)
}
