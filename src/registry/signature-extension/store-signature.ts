import type { Caller } from '../../identity/index.ts'
import { digestOf, type Digest } from '../../kernel/digest.ts'
import { mediaTypes } from '../../kernel/media-types.ts'
import { RegistryFailure } from '../failures.ts'
import type { RegistryParts } from '../parts.ts'
import { pushManifest } from '../push-manifest.ts'
import { storeBlobBytes } from '../store-blob.ts'
import { findManifest, type StoredManifest } from '../store.ts'
import type { RepositoryRef } from '../types.ts'
import { listSignatures, maximumListBytes, maximumSignatures } from './list-signatures.ts'

/** A signature that came through the extension. */
export interface SignatureToStore {
  readonly repository: RepositoryRef
  readonly image: StoredManifest
  readonly content: Buffer
  readonly caller: Caller
}

/**
 * Keeps a signature as an artifact that refers to the image, like every other attachment, and gives the digest of its
 * manifest: the same one for the same signature. Throws SIGNATURES_FULL, and what `pushManifest` throws.
 */
export async function storeSignature(parts: RegistryParts, toStore: SignatureToStore): Promise<Digest> {
  const { repository, image, content, caller } = toStore
  const manifest = Buffer.from(JSON.stringify(artifactOf(image, content)))
  const digest = digestOf(manifest)
  // Two that come at once may both find the last place. The list is cut all the same.
  if (!(await findManifest(parts.database, repository.id, digest))) await requirePlace(parts, toStore)
  await storeBlobBytes(parts, repository.id, emptyConfig)
  await storeBlobBytes(parts, repository.id, content)
  await pushManifest(parts, {
    repository: repository.name,
    reference: { kind: 'digest', digest },
    tags: [],
    contentType: mediaTypes.ociManifest,
    content: manifest,
    caller,
  })
  return digest
}

/** image-spec, "Guidance for an Empty Descriptor". */
const emptyConfig = Buffer.from('{}')

function artifactOf(image: StoredManifest, content: Buffer): object {
  return {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: mediaTypes.simpleSigning,
    config: { mediaType: mediaTypes.ociEmpty, digest: digestOf(emptyConfig), size: emptyConfig.length },
    layers: [{ mediaType: mediaTypes.simpleSigningOpenpgp, digest: digestOf(content), size: content.length }],
    subject: { mediaType: image.mediaType, digest: image.digest, size: image.content.length },
  }
}

async function requirePlace(
  { database }: RegistryParts,
  { repository, image, content }: SignatureToStore,
): Promise<void> {
  const held = await listSignatures(database, repository.id, image.digest)
  const heldBytes = held.reduce((sum, { size }) => sum + size, 0)
  if (held.length < maximumSignatures && heldBytes + content.length <= maximumListBytes) return
  throw new RegistryFailure(
    'SIGNATURES_FULL',
    `${repository.name}@${image.digest} has ${held.length} signatures of ${heldBytes} bytes, and at most ` +
      `${maximumSignatures} of ${maximumListBytes} bytes are kept; delete some of its referrers of the type ${mediaTypes.simpleSigning}`,
  )
}
