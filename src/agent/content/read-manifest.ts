import { Type, type Static } from 'typebox'
import { Value } from 'typebox/value'
import { isDigest, type Digest } from '../../kernel/digest.ts'
import { JsonError, parseStrictJsonBytes } from '../../kernel/json.ts'
import { mediaTypes } from '../../kernel/media-types.ts'
import { CriFailure } from '../cri/failures.ts'
import type { Descriptor } from './types.ts'

const Text = Type.String({ maxLength: 4096 })
const DescriptorDocument = Type.Object({
  mediaType: Text,
  digest: Text,
  size: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  annotations: Type.Optional(Type.Record(Type.String(), Text)),
  platform: Type.Optional(Type.Object({ os: Text, architecture: Text, variant: Type.Optional(Text) })),
})
const Manifest = Type.Object({
  config: DescriptorDocument,
  layers: Type.Array(DescriptorDocument, { maxItems: 1_000 }),
  artifactType: Type.Optional(Text),
  annotations: Type.Optional(Type.Record(Type.String(), Text)),
})
const Index = Type.Object({ manifests: Type.Array(DescriptorDocument, { maxItems: 1_000 }) })

/** An image manifest, as far as it is run. */
export interface ImageManifest {
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>>
}

const indexTypes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerManifestList]

export function isIndex(mediaType: string): boolean {
  return indexTypes.includes(mediaType)
}

/** image-spec, "Image Manifest". Throws INVALID_ARGUMENT. */
export function readManifest(bytes: Buffer, digest: Digest): ImageManifest {
  const { config, layers, artifactType, annotations = {} } = read(Manifest, bytes, digest)
  return { config: described(config), layers: layers.map(described), artifactType, annotations }
}

/**
 * The first manifest of an index for the first of the platforms that it has, as `os/architecture[/variant]`.
 * Throws FAILED_PRECONDITION that names those that it has.
 */
export function choosePlatform(bytes: Buffer, digest: Digest, platforms: readonly string[]): Digest {
  const { manifests } = read(Index, bytes, digest)
  const all = manifests.map((one) => ({ ...described(one), platform: nameOf(one.platform) }))
  for (const wanted of platforms) {
    const found = all.find(({ platform }) => platform === wanted || platform.startsWith(`${wanted}/`))
    if (found) return found.digest
  }
  const names = all.map(({ platform }) => platform).filter((name) => !name.startsWith('unknown'))
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `${digest} has no image for ${platforms.join(' or ')}; it has ${names.join(', ') || 'none at all'}`,
  )
}

function nameOf(platform: Static<typeof DescriptorDocument>['platform']): string {
  if (!platform) return 'unknown/unknown'
  const { os, architecture, variant } = platform
  return variant ? `${os}/${architecture}/${variant}` : `${os}/${architecture}`
}

function described({ mediaType, digest, size, annotations }: Static<typeof DescriptorDocument>): Descriptor {
  if (!isDigest(digest)) throw new CriFailure('INVALID_ARGUMENT', `${digest} is no digest`)
  return { mediaType, digest, size, ...(annotations ? { annotations } : {}) }
}

function read<Schema extends typeof Manifest | typeof Index>(
  schema: Schema,
  bytes: Buffer,
  digest: Digest,
): Static<Schema> {
  try {
    const document: unknown = parseStrictJsonBytes(bytes)
    if (Value.Check(schema, document)) return document
    const [first] = Value.Errors(schema, document)
    throw new JsonError(`${first?.instancePath ?? ''} ${first?.message ?? 'it has the wrong form'}`.trim())
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new CriFailure('INVALID_ARGUMENT', `the manifest ${digest} cannot be run: ${error.message}`)
  }
}
