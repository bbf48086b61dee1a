import { Type, type Static, type TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { digestOf, isDigest, parseDigest, type Digest } from '../kernel/digest.ts'
import { JsonError, parseStrictJsonBytes } from '../kernel/json.ts'
import { mediaTypes } from '../kernel/media-types.ts'
import { RegistryFailure } from './failures.ts'
import type { ManifestKind } from './types.ts'

/** Most descriptors that one manifest may list. Real ones have dozens. */
const maximumDescriptors = 10_000

/** A manifest or index, read. Its bytes stay what they are; this is only what we look at. */
export interface ParsedManifest {
  readonly mediaType: string
  readonly kind: ManifestKind
  readonly artifactType: string | undefined
  readonly configMediaType: string | undefined
  readonly subject: Digest | undefined
  readonly annotations: Readonly<Record<string, string>>
  readonly references: readonly ManifestReference[]
}

export interface ManifestReference {
  readonly digest: Digest
  readonly size: number
  readonly kind: 'config' | 'layer' | 'manifest'
  /** False for layers that others serve (image-spec, "Non-distributable Layers"): we need not have them. */
  readonly required: boolean
}

const DescriptorSchema = Type.Object({
  mediaType: Type.String({ minLength: 1, maxLength: 255 }),
  digest: Type.String({ maxLength: 200 }),
  size: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  urls: Type.Optional(Type.Array(Type.String())),
  data: Type.Optional(Type.String()),
})
type DescriptorFields = Static<typeof DescriptorSchema>

const Annotations = Type.Optional(Type.Record(Type.String(), Type.String()))
const common = {
  schemaVersion: Type.Literal(2),
  mediaType: Type.Optional(Type.String()),
  artifactType: Type.Optional(Type.String({ maxLength: 255 })),
  subject: Type.Optional(DescriptorSchema),
  annotations: Annotations,
}
const ManifestSchema = Type.Object({
  ...common,
  config: DescriptorSchema,
  layers: Type.Array(DescriptorSchema, { maxItems: maximumDescriptors }),
})
const IndexSchema = Type.Object({
  ...common,
  manifests: Type.Array(DescriptorSchema, { maxItems: maximumDescriptors }),
})

const manifestTypes: readonly string[] = [mediaTypes.ociManifest, mediaTypes.dockerManifest]
const indexTypes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerManifestList]

/**
 * Reads a manifest (image-spec, "Image Manifest" and "Image Index"; Docker's schema 2). Throws
 * MANIFEST_INVALID that names the field. What could be read as two things is refused (CVE-2021-41190).
 */
export function parseManifest(bytes: Uint8Array, contentType: string | undefined): ParsedManifest {
  const document = readObject(bytes)
  const mediaType = decideMediaType(document, contentType)
  if (manifestTypes.includes(mediaType)) return readManifest(document, mediaType)
  return readIndex(document, mediaType)
}

function readObject(bytes: Uint8Array): Record<string, unknown> {
  try {
    const document = parseStrictJsonBytes(bytes)
    if (typeof document === 'object' && document !== null && !Array.isArray(document)) {
      return document as Record<string, unknown>
    }
  } catch (error) {
    if (error instanceof JsonError) throw invalid(error.message)
    throw error
  }
  throw invalid('a manifest is a JSON object')
}

/**
 * The same bytes always get the same type: the body says it, or its form does, and the header has to agree.
 */
function decideMediaType(document: Record<string, unknown>, contentType: string | undefined): string {
  const { mediaType } = document
  const looksLikeIndex = 'manifests' in document
  const looksLikeManifest = 'config' in document || 'layers' in document
  if (looksLikeIndex && looksLikeManifest) {
    throw invalid('it has "manifests" and also "config" or "layers"; it can be only one of the two')
  }
  if (document['schemaVersion'] === 1) {
    throw invalid('Docker schema 1 is not supported; push schema 2 or OCI')
  }
  if (mediaType !== undefined && typeof mediaType !== 'string') throw invalid('mediaType is not a string')
  const inferred = mediaType ?? (looksLikeIndex ? mediaTypes.ociIndex : mediaTypes.ociManifest)
  const known = [...manifestTypes, ...indexTypes]
  if (!known.includes(inferred)) {
    throw invalid(`mediaType ${JSON.stringify(inferred)} is not one of ${known.join(', ')}`)
  }
  const header = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  if (header !== undefined && header !== inferred) {
    throw invalid(`Content-Type is ${header}, but the manifest is ${inferred}`)
  }
  if (indexTypes.includes(inferred) !== looksLikeIndex) {
    throw invalid(`a ${inferred} ${looksLikeIndex ? 'has no "manifests"' : 'has to have "manifests"'}`)
  }
  return inferred
}

function readManifest(document: Record<string, unknown>, mediaType: string): ParsedManifest {
  check(ManifestSchema, document)
  const { config, layers, subject, artifactType, annotations } = document as Static<typeof ManifestSchema>
  return {
    mediaType,
    kind: isImage(config, layers) ? 'image' : 'artifact',
    artifactType: artifactType ?? config.mediaType,
    configMediaType: config.mediaType,
    subject: subject && readDescriptor(subject, 'subject'),
    annotations: annotations ?? {},
    references: [
      reference(config, 'config', 'config'),
      ...layers.map((layer, index) => reference(layer, 'layer', `layers[${index}]`)),
    ],
  }
}

function readIndex(document: Record<string, unknown>, mediaType: string): ParsedManifest {
  check(IndexSchema, document)
  const { manifests, subject, artifactType, annotations } = document as Static<typeof IndexSchema>
  return {
    mediaType,
    kind: 'index',
    artifactType,
    configMediaType: undefined,
    subject: subject && readDescriptor(subject, 'subject'),
    annotations: annotations ?? {},
    references: manifests.map((child, index) => reference(child, 'manifest', `manifests[${index}]`)),
  }
}

const runnableConfigs: readonly string[] = [
  mediaTypes.ociConfig,
  mediaTypes.dockerConfig,
  mediaTypes.wasmConfig,
]

/** The digest of `{}` (image-spec, "Guidance for an Empty Descriptor"). */
const emptyObject = digestOf('{}')

/**
 * An image is what a runtime would run: a file system layer, or a runnable config with nothing else in it.
 * With `{}` for a config it names no file system, so nothing runs it, whatever its layers are called (oras
 * calls every file a tar layer).
 */
function isImage(config: DescriptorFields, layers: readonly DescriptorFields[]): boolean {
  if (config.digest === emptyObject && config.mediaType === mediaTypes.ociEmpty) return false
  if (layers.some((layer) => isRunnableLayer(layer.mediaType))) return true
  return runnableConfigs.includes(config.mediaType) && layers.length === 0
}

/** Layer types that containerd, CRI-O, Docker or a Wasm runtime unpack or load. */
export function isRunnableLayer(mediaType: string): boolean {
  return (
    mediaType.startsWith('application/vnd.oci.image.layer.') ||
    mediaType.startsWith('application/vnd.docker.image.rootfs.') ||
    /wasm/.test(mediaType)
  )
}

function reference(
  descriptor: DescriptorFields,
  kind: ManifestReference['kind'],
  field: string,
): ManifestReference {
  const isForeign = kind === 'layer' && /nondistributable|foreign/.test(descriptor.mediaType)
  return {
    digest: readDescriptor(descriptor, field),
    size: descriptor.size,
    kind,
    required: !isForeign,
  }
}

/** Checks what a descriptor says of itself, embedded `data` included (image-spec, "Embedded Content"). */
function readDescriptor(descriptor: DescriptorFields, field: string): Digest {
  if (!isDigest(descriptor.digest)) {
    throw invalid(`${field}.digest ${JSON.stringify(descriptor.digest)} is not a digest`)
  }
  const digest = parseDigest(descriptor.digest)
  if (descriptor.data !== undefined) {
    const data = Buffer.from(descriptor.data, 'base64')
    if (data.length !== descriptor.size || digestOf(data, digest.slice(0, 6) as 'sha256') !== digest) {
      throw invalid(`${field}.data does not have the size and digest that its descriptor says`)
    }
  }
  return digest
}

function check(schema: TSchema, document: unknown): void {
  if (Value.Check(schema, document)) return
  const [first] = Value.Errors(schema, document)
  throw invalid(
    `${first?.instancePath || 'the document'} ${first?.message ?? 'does not have the right form'}`,
  )
}

function invalid(why: string): RegistryFailure {
  return new RegistryFailure('MANIFEST_INVALID', `the manifest is not valid: ${why}`)
}
