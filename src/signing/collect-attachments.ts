import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { algorithmOf, hexOf, isDigest, type Digest } from '../kernel/digest.ts'
import { JsonError, parseStrictJsonBytes } from '../kernel/json.ts'
import { isTag, type Tag } from '../kernel/reference.ts'
import type { Attachment, EvidenceSource } from './types.ts'

/** Manifests that are looked at for one image, however many somebody attaches. */
export const maximumAttachments = 1_000
/** Layers of one manifest that are read; who adds to a tag adds no more. */
export const maximumLayers = 256

const Manifest = Type.Object({
  artifactType: Type.Optional(Type.String()),
  config: Type.Optional(Type.Object({ mediaType: Type.String() })),
  annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
  layers: Type.Array(
    Type.Object({
      mediaType: Type.String(),
      digest: Type.String(),
      size: Type.Integer({ minimum: 0 }),
      annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
    }),
    { maxItems: maximumLayers },
  ),
})

/** Where something hangs on an image: the digests alone, nothing of it read yet. */
export interface Places {
  readonly manifests: ReadonlyMap<Digest, Attachment['via']>
  /** There is more than is looked at. */
  readonly isCut: boolean
}

/** What hangs on an image. */
export interface Attachments {
  readonly found: readonly Attachment[]
  /** What stands under cosign's tags and is no artifact manifest; junk among the referrers is nobody's claim. */
  readonly malformed: readonly Digest[]
}

/** The tag under which cosign keeps the signatures of a digest (cosign SIGNATURE_SPEC, "Tag-based Discovery"). */
export function signatureTag(digest: Digest): Tag {
  return `${algorithmOf(digest)}-${hexOf(digest)}.sig` as Tag
}

/** The tag under which cosign keeps the attestations of a digest. */
export function attestationTag(digest: Digest): Tag {
  return `${algorithmOf(digest)}-${hexOf(digest)}.att` as Tag
}

/** The digest that a tag like `sha256-<hex>.sig` (or `.att`, `.sbom`) belongs to. */
export function subjectOfSignatureTag(tag: string): Digest | undefined {
  const match = isTag(tag) ? /^(sha256|sha512)-([0-9a-f]+)\.(?:sig|att|sbom)$/.exec(tag) : null
  const digest = match ? `${match[1]}:${match[2]}` : ''
  return isDigest(digest) ? digest : undefined
}

/**
 * Finds what hangs on an image: by cosign's tags, and by the referrers of the digest. The tags come first: junk
 * among the referrers does not crowd them out. Throws `EvidenceUnavailable`.
 */
export async function findPlaces(source: EvidenceSource, subject: Digest): Promise<Places> {
  const [signatures, attestations, referrers] = await Promise.all([
    source.findTag(signatureTag(subject)),
    source.findTag(attestationTag(subject)),
    source.listReferrers(subject, maximumAttachments + 1),
  ])
  const manifests = new Map<Digest, Attachment['via']>()
  if (signatures) manifests.set(signatures, 'sig-tag')
  if (attestations) manifests.set(attestations, 'att-tag')
  // A manifest may be both; then the tag says how it is to be read.
  for (const digest of referrers.slice(0, maximumAttachments)) {
    if (!manifests.has(digest)) manifests.set(digest, 'referrer')
  }
  return { manifests, isCut: referrers.length > maximumAttachments }
}

/** Reads the manifests at these places. Throws `EvidenceUnavailable`. */
export async function readAttachments(source: EvidenceSource, places: Places): Promise<Attachments> {
  const found: Attachment[] = []
  const malformed: Digest[] = []
  for (const [digest, via] of places.manifests) {
    const manifest = await source.findManifest(digest)
    const attachment = manifest && readAttachment(digest, via, manifest.bytes)
    if (attachment) found.push(attachment)
    else if (via !== 'referrer') malformed.push(digest)
  }
  return { found, malformed }
}

function readAttachment(digest: Digest, via: Attachment['via'], bytes: Buffer): Attachment | undefined {
  let document: unknown
  try {
    document = parseStrictJsonBytes(bytes)
  } catch (error) {
    if (error instanceof JsonError) return undefined
    throw error
  }
  if (!Value.Check(Manifest, document)) return undefined
  return {
    digest,
    via,
    artifactType: document.artifactType ?? document.config?.mediaType,
    annotations: document.annotations ?? {},
    layers: document.layers,
  }
}
