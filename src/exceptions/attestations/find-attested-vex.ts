import { buffer } from 'node:stream/consumers'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Database } from '../../database/index.ts'
import { isDigest, type Digest } from '../../kernel/digest.ts'
import { Failure } from '../../kernel/failure.ts'
import type { Tag } from '../../kernel/reference.ts'
import {
  findLinkedBlob,
  findManifest,
  listReferrers,
  resolveReference,
  type BlobStore,
  type StoredManifest,
} from '../../registry/index.ts'
import { verifySignatures } from '../../signing/index.ts'
import type { TrustedStatement } from '../apply-exceptions.ts'
import { readVex } from '../vex/read-vex.ts'
import type { VexDocument } from '../vex/types.ts'
import { readVexAttestation } from './read-vex-attestation.ts'
import { verifierOf, type VexKey } from './verify-envelope.ts'
import { vexKeys } from './vex-signers.ts'

export interface AttestationParts {
  readonly database: Database
  readonly blobs: BlobStore
}

/** Work for one image is bounded, however much somebody attaches; what is not read quietens nothing. */
const maximumReferrers = 64
const maximumLayers = 8
const maximumBytes = 8 * 1024 * 1024
/** A DSSE envelope as cosign and oras attach it, and as a Sigstore bundle. */
const envelopeTypes = [
  'application/vnd.dsse.envelope.v1+json',
  'application/vnd.in-toto+json',
  'application/vnd.dev.sigstore.bundle.v0.3+json',
]
const documentTypes = ['application/openvex+json', 'application/vex+json', 'text/vex']

const Manifest = Type.Object({
  layers: Type.Array(Type.Object({ mediaType: Type.String(), digest: Type.String(), size: Type.Integer() })),
})

/**
 * What trusted signers say of an image, in attestations attached to it or to an index that lists it. An
 * attestation has to name the digest as its subject: one of another image says nothing here.
 */
export async function findAttestedVex(
  parts: AttestationParts,
  repositoryId: string,
  digests: readonly string[],
): Promise<TrustedStatement[]> {
  const keys = await vexKeys(parts.database)
  if (keys.length === 0) return []
  const found: TrustedStatement[] = []
  for (const digest of digests.filter(isDigest)) {
    for (const manifest of await attachedTo(parts.database, repositoryId, digest)) {
      found.push(...(await readAttached(parts, repositoryId, digest, manifest, keys)))
    }
  }
  return found
}

/** Referrers, and what cosign keeps under the tag `sha256-<hex>.att`. */
async function attachedTo(
  database: Database,
  repositoryId: string,
  digest: Digest,
): Promise<StoredManifest[]> {
  const referrers = await listReferrers(database, repositoryId, digest, { limit: maximumReferrers })
  const tag = `${digest.replace(':', '-')}.att` as Tag
  const tagged = await resolveReference(database, repositoryId, { kind: 'tag', tag })
  const digests = new Set([
    ...referrers.map((referrer) => referrer.digest as Digest),
    ...(tagged ? [tagged] : []),
  ])
  const manifests: StoredManifest[] = []
  for (const one of digests) {
    const manifest = await findManifest(database, repositoryId, one)
    if (manifest?.kind === 'artifact' || (manifest && one === tagged)) manifests.push(manifest)
  }
  return manifests
}

async function readAttached(
  parts: AttestationParts,
  repositoryId: string,
  digest: Digest,
  manifest: StoredManifest,
  keys: readonly VexKey[],
): Promise<TrustedStatement[]> {
  const document: unknown = JSON.parse(manifest.content.toString())
  if (!Value.Check(Manifest, document)) return []
  const found: TrustedStatement[] = []
  for (const layer of document.layers.slice(0, maximumLayers)) {
    const isEnvelope = envelopeTypes.includes(layer.mediaType)
    if (!isEnvelope && !documentTypes.includes(layer.mediaType)) continue
    const bytes = await readLayer(parts, repositoryId, layer)
    if (!bytes) continue
    const trusted = isEnvelope
      ? fromEnvelope(bytes, digest, keys)
      : await fromDocument(parts, repositoryId, digest, manifest, bytes, keys)
    if (!trusted) continue
    const { signer } = trusted
    const source = manifest.digest
    found.push(...trusted.document.statements.map((statement) => ({ ...statement, source, signer })))
  }
  return found
}

interface Trusted {
  readonly signer: string
  readonly document: VexDocument
}

function fromEnvelope(bytes: Buffer, digest: Digest, keys: readonly VexKey[]): Trusted | undefined {
  const read = readVexAttestation(bytes, verifierOf(keys))
  return read.status === 'trusted' && read.subjects.includes(digest) ? read : undefined
}

/** A document without an envelope counts when its manifest refers to the image and is signed as images are. */
async function fromDocument(
  parts: AttestationParts,
  repositoryId: string,
  digest: Digest,
  manifest: StoredManifest,
  bytes: Buffer,
  keys: readonly VexKey[],
): Promise<Trusted | undefined> {
  if (manifest.subject !== digest) return undefined
  const ofImages = keys.filter(({ key }) => key.asymmetricKeyType === 'ec')
  const signatures = await verifySignatures(parts, { repositoryId, digest: manifest.digest }, ofImages)
  const [signer] = signatures.keys
  if (signer === undefined) return undefined
  try {
    return { signer, document: readVex(bytes.toString()) }
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}

async function readLayer(
  { database, blobs }: AttestationParts,
  repositoryId: string,
  layer: { readonly digest: string; readonly size: number },
): Promise<Buffer | undefined> {
  if (!isDigest(layer.digest) || layer.size > maximumBytes) return undefined
  const blob = await findLinkedBlob(database, repositoryId, layer.digest)
  if (!blob || blob.size > maximumBytes) return undefined
  try {
    return await buffer(blobs.open(blob.location))
  } catch {
    return undefined
  }
}
