import { buffer } from 'node:stream/consumers'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Database } from '../database/index.ts'
import { algorithmOf, hexOf, isDigest, type Digest } from '../kernel/digest.ts'
import { mediaTypes } from '../kernel/media-types.ts'
import { isTag, type Tag } from '../kernel/reference.ts'
import { findLinkedBlob, findManifest, resolveReference, type BlobStore } from '../registry/index.ts'
import type { SignatureEvidence, SignatureReport } from './types.ts'
import { parsePublicKey, verifyPayload, type TrustedKey } from './verify-payload.ts'

/** Work for one image is bounded, however many signatures somebody attaches. */
const maximumSignatures = 64
const maximumPayloadBytes = 64 * 1024
const signatureAnnotation = 'dev.cosignproject.cosign/signature'

const SignatureManifest = Type.Object({
  layers: Type.Array(
    Type.Object({
      mediaType: Type.String(),
      digest: Type.String(),
      size: Type.Integer(),
      annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
    }),
  ),
})

/** The tag under which cosign keeps the signatures of a digest. */
export function signatureTag(digest: Digest): Tag {
  return `${algorithmOf(digest)}-${hexOf(digest)}.sig` as Tag
}

/** The digest that a tag like `sha256-<hex>.sig` (or `.att`, `.sbom`) belongs to. */
export function subjectOfSignatureTag(tag: string): Digest | undefined {
  const match = isTag(tag) ? /^(sha256|sha512)-([0-9a-f]+)\.(?:sig|att|sbom)$/.exec(tag) : null
  const digest = match ? `${match[1]}:${match[2]}` : ''
  return isDigest(digest) ? digest : undefined
}

/** The keys that are trusted now. */
export async function trustedKeys(database: Database): Promise<TrustedKey[]> {
  const rows = await database.selectFrom('signing_key').selectAll().where('revoked_at', 'is', null).execute()
  return rows.map((row) => ({ name: row.name, key: parsePublicKey(row.public_key_pem) }))
}

/**
 * Verifies the cosign signatures that a repository holds for a digest (cosign SIGNATURE_SPEC, "Storage"). The
 * payload has to name exactly this digest; a signature of an index says nothing of its children here.
 */
export async function verifySignatures(
  parts: { readonly database: Database; readonly blobs: BlobStore },
  subject: { readonly repositoryId: string; readonly digest: Digest },
  /** Whose signatures count; those that the administrator trusts for images when not given. */
  signers?: readonly TrustedKey[],
): Promise<SignatureReport> {
  const { database } = parts
  const { repositoryId, digest } = subject
  const reference = { kind: 'tag', tag: signatureTag(digest) } as const
  const manifestDigest = await resolveReference(database, repositoryId, reference)
  if (!manifestDigest) return { status: 'unsigned', keys: [], signatures: [] }
  const manifest = await findManifest(database, repositoryId, manifestDigest)
  const document: unknown = manifest && JSON.parse(manifest.content.toString())
  if (!manifest || !Value.Check(SignatureManifest, document)) {
    return report([{ status: 'malformed', why: 'the signature manifest has no layers' }])
  }
  const keys = signers ?? (await trustedKeys(database))
  const signatures: SignatureEvidence[] = []
  for (const layer of document.layers.slice(0, maximumSignatures)) {
    const evidence = await verifyLayer(parts, repositoryId, digest, layer, keys)
    if (evidence === 'unavailable') return { status: 'unavailable', keys: [], signatures }
    signatures.push(evidence)
  }
  return report(signatures)
}

async function verifyLayer(
  parts: { readonly database: Database; readonly blobs: BlobStore },
  repositoryId: string,
  digest: Digest,
  layer: { mediaType: string; digest: string; size: number; annotations?: Record<string, string> },
  keys: readonly TrustedKey[],
): Promise<SignatureEvidence | 'unavailable'> {
  const malformed = (why: string): SignatureEvidence => ({ status: 'malformed', why })
  if (layer.mediaType !== mediaTypes.cosignSimpleSigning) return malformed(`layer type ${layer.mediaType}`)
  const signature = layer.annotations?.[signatureAnnotation]
  if (!signature) return malformed('the layer carries no signature')
  if (layer.size > maximumPayloadBytes) return malformed(`the payload has ${layer.size} bytes`)
  const blob = await findLinkedBlob(parts.database, repositoryId, layer.digest as Digest)
  if (!blob) return 'unavailable'
  try {
    const payload = await buffer(parts.blobs.open(blob.location))
    return verifyPayload(payload, signature, digest, keys)
  } catch {
    return 'unavailable'
  }
}

/** One good signature is enough, whatever else is attached; without one the worst is what is reported. */
function report(signatures: readonly SignatureEvidence[]): SignatureReport {
  const keys = [
    ...new Set(signatures.flatMap(({ status, key }) => (status === 'verified' && key ? [key] : []))),
  ]
  const has = (status: SignatureEvidence['status']): boolean =>
    signatures.some((signature) => signature.status === status)
  if (keys.length > 0) return { status: 'verified', keys, signatures }
  if (signatures.length === 0) return { status: 'unsigned', keys, signatures }
  return { status: has('untrusted') ? 'untrusted' : 'malformed', keys, signatures }
}
