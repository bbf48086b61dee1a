import type { Database } from '../database/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { Clock } from '../kernel/clock.ts'
import { findManifest, type BlobStore } from '../registry/index.ts'
import { registrySource } from './registry-source.ts'
import { currentTrust, type Trust } from './signers/trust.ts'
import type { Verification } from './types.ts'
import type { VerificationCache } from './verification-cache.ts'

export interface VerifyParts {
  readonly database: Database
  readonly blobs: BlobStore
  readonly clock: Clock
  readonly verifications: VerificationCache
}

/** Verifies what hangs on a manifest that a repository of this registry holds. */
export async function verifyStored(
  { database, blobs, clock, verifications }: VerifyParts,
  repositoryId: string,
  digest: Digest,
  trust?: Trust,
): Promise<Verification> {
  const manifest = await findManifest(database, repositoryId, digest)
  if (!manifest) return missing(digest)
  const subject = { digest, mediaType: manifest.mediaType, size: manifest.content.length }
  return verifications.verify(
    registrySource({ database, blobs }, repositoryId),
    repositoryId,
    subject,
    trust ?? (await currentTrust(database, clock)),
    clock.now(),
  )
}

function missing(subject: Digest): Verification {
  const unavailable = `the repository has no manifest ${subject}`
  return { subject, status: 'unavailable', claims: [], rejections: [], unavailable }
}
