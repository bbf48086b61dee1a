import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { digestOf, type Digest } from '../../kernel/digest.ts'
import { JsonError, parseStrictJsonBytes } from '../../kernel/json.ts'
import { mediaTypes, type Descriptor } from '../../kernel/media-types.ts'
import type { Tag } from '../../kernel/reference.ts'
import { attestationTag, maximumLayers, signatureTag } from '../collect-attachments.ts'
import { SigningFailure } from '../failures.ts'
import { notationArtifactType } from '../formats/notation/index.ts'
import { bundleMediaType } from '../sign-statement.ts'
import type { Subject } from '../types.ts'

/** Something to hang on an image: a manifest with its blobs, under a tag or as a referrer. */
export interface BuiltAttachment {
  readonly manifest: Buffer
  readonly digest: Digest
  readonly mediaType: string
  readonly blobs: readonly Buffer[]
  /** Absent for a referrer. */
  readonly tag?: Tag
}

const dsseMediaType = 'application/vnd.dsse.envelope.v1+json'
export const signatureAnnotation = 'dev.cosignproject.cosign/signature'

/** A bundle as cosign 3 attaches it: a referrer of the image (cosign, "bundle-v0.3 spec", "OCI"). */
export function bundleReferrer(
  bundle: Buffer,
  predicateType: string,
  subject: Subject,
  now: number,
): BuiltAttachment {
  const config = Buffer.from('{}')
  return build([config, bundle], {
    artifactType: bundleMediaType,
    config: describe(mediaTypes.ociEmpty, config),
    layers: [describe(bundleMediaType, bundle)],
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
    annotations: {
      'dev.sigstore.bundle.content': 'dsse-envelope',
      'dev.sigstore.bundle.predicateType': predicateType,
      'org.opencontainers.image.created': new Date(now).toISOString(),
    },
  })
}

/**
 * A Notary Project signature as notation attaches it (signature specification, "OCI Signatures"), with the SHA-256 of
 * each certificate of its chain, by which clients sort out what they could trust.
 */
export function notationReferrer(
  envelope: Buffer,
  thumbprints: readonly string[],
  subject: Subject,
  now: number,
): BuiltAttachment {
  const config = Buffer.from('{}')
  return build([config, envelope], {
    artifactType: notationArtifactType,
    config: describe(mediaTypes.ociEmpty, config),
    layers: [describe('application/jose+json', envelope)],
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
    annotations: {
      'io.cncf.notary.x509chain.thumbprint#S256': JSON.stringify(thumbprints),
      'org.opencontainers.image.created': new Date(now).toISOString(),
    },
  })
}

/** What cosign's layers carry beside the signed bytes, such as the certificate. */
export type LayerAnnotations = Readonly<Record<string, string>>

/**
 * A simple signing payload with its signature, added to what the `.sig` tag of the image holds already, here and where
 * it comes from (cosign SIGNATURE_SPEC, "Storage").
 */
export function legacySignature(
  existing: readonly Buffer[],
  payload: Buffer,
  signature: Buffer,
  subject: Digest,
  annotations: LayerAnnotations = {},
): BuiltAttachment {
  const layer = describe(mediaTypes.cosignSimpleSigning, payload, {
    [signatureAnnotation]: signature.toString('base64'),
    ...annotations,
  })
  return addLayer(existing, layer, payload, signatureTag(subject))
}

/** A DSSE envelope, added to what the `.att` tag of the image holds already. */
export function legacyAttestation(
  existing: readonly Buffer[],
  envelope: Buffer,
  predicateType: string,
  subject: Digest,
  annotations: LayerAnnotations = {},
): BuiltAttachment {
  const layer = describe(dsseMediaType, envelope, {
    [signatureAnnotation]: '',
    predicateType,
    ...annotations,
  })
  return addLayer(existing, layer, envelope, attestationTag(subject))
}

const Existing = Type.Object({
  layers: Type.Array(
    Type.Object({
      mediaType: Type.String(),
      digest: Type.String(),
      size: Type.Integer(),
      annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
    }),
  ),
})

/**
 * All that several manifests of one of cosign's tags hold; the first that holds everything, as it is. Undefined when
 * there is none.
 */
export function joinAttachments(tag: Tag, existing: readonly Buffer[]): BuiltAttachment | undefined {
  const lists = existing.map((manifest) => ({ manifest, layers: readLayers(manifest, tag) }))
  const layers = unite(lists.map((list) => list.layers))
  const whole = lists.find((list) => unite([list.layers]).length === layers.length)
  if (whole) {
    const { manifest } = whole
    return { manifest, digest: digestOf(manifest), mediaType: mediaTypes.ociManifest, blobs: [], tag }
  }
  return layers.length === 0 ? undefined : buildTagged(tag, layers)
}

function addLayer(
  existing: readonly Buffer[],
  layer: Descriptor,
  content: Buffer,
  tag: Tag,
): BuiltAttachment {
  return buildTagged(tag, unite([...existing.map((one) => readLayers(one, tag)), [layer]]), content)
}

function unite(lists: readonly (readonly Descriptor[])[]): Descriptor[] {
  return [...new Map(lists.flat().map((layer) => [JSON.stringify(layer), layer])).values()]
}

function buildTagged(tag: Tag, layers: readonly Descriptor[], ...contents: Buffer[]): BuiltAttachment {
  if (layers.length > maximumLayers) {
    throw new SigningFailure('SIGNATURES_FULL', `${tag} holds ${maximumLayers} signatures; remove old ones`)
  }
  // cosign reads these as the layers of an image, so they have a config that lists them.
  const config = Buffer.from(
    JSON.stringify({
      architecture: '',
      created: '0001-01-01T00:00:00Z',
      config: {},
      os: '',
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    }),
  )
  return { ...build([config, ...contents], { config: describe(mediaTypes.ociConfig, config), layers }), tag }
}

/** The layers under a tag of cosign's. Throws SIGNATURES_UNREADABLE. */
export function readLayers(existing: Buffer, tag: Tag): readonly Descriptor[] {
  try {
    const document = parseStrictJsonBytes(existing)
    if (Value.Check(Existing, document)) return document.layers
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
  }
  throw new SigningFailure(
    'SIGNATURES_UNREADABLE',
    `${tag} holds no signatures that can be added to; delete it`,
  )
}

function build(blobs: readonly Buffer[], members: object): BuiltAttachment {
  const manifest = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociManifest, ...members }),
  )
  return { manifest, digest: digestOf(manifest), mediaType: mediaTypes.ociManifest, blobs }
}

function describe(mediaType: string, bytes: Buffer, annotations?: LayerAnnotations): Descriptor {
  return {
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
    ...(annotations === undefined ? {} : { annotations }),
  }
}
