import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { algorithmOf, digestOf, hexOf, isDigest } from '../../kernel/digest.ts'
import type { Descriptor, Platform } from '../../kernel/media-types.ts'
import {
  describeLayers,
  runScan,
  scanLimits,
  type LayerConfig,
  type LayerTask,
} from '../../scanning/offline.ts'
import { GateFailure } from '../failures.ts'
import type { TargetImage, TargetOptions } from './types.ts'

const maximumDocumentBytes = 8 * 1024 * 1024
const maximumImages = 100
/** Manifests and indexes that are looked at: indexes that list indexes must not multiply. */
const maximumDocuments = 1_000
const maximumDepth = 4

interface Document {
  readonly config?: Descriptor
  readonly layers?: readonly Descriptor[]
  readonly manifests?: readonly Descriptor[]
}

type ImageConfig = Partial<Platform> & LayerConfig

/** Gives the file that holds a blob. */
export type BlobFile = (digest: string) => Promise<string>

/** The file of a blob in an OCI image layout (image-layout.md, "Blobs"). */
export function layoutBlobFile(folder: string): BlobFile {
  return async (digest) => {
    if (!isDigest(digest)) throw invalid(`${JSON.stringify(digest)} in ${folder} is not a digest`)
    const file = join(folder, 'blobs', algorithmOf(digest), hexOf(digest))
    if (!(await stat(file).catch(() => undefined))?.isFile())
      throw invalid(
        `it does not hold ${digest}; if it has only some of its platforms, name one with --platform`,
      )
    return file
  }
}

/**
 * The images that a descriptor stands for: itself, or those of an index that fit the platform asked for.
 * Attestations and other things that do not run are passed over.
 */
export async function findImages(
  root: Descriptor,
  blobFile: BlobFile,
  options: TargetOptions,
): Promise<TargetImage[]> {
  let documents = 0
  const counted: BlobFile = (digest) => {
    if (++documents > maximumDocuments) throw invalid(`it has more than ${maximumDocuments} manifests`)
    return blobFile(digest)
  }
  const images = await collect(root, counted, options, 0)
  if (images.length === 0) {
    throw invalid(
      options.platform === undefined
        ? 'there is no image in it'
        : `there is no image for ${options.platform} in it`,
    )
  }
  return images
}

async function collect(
  descriptor: Descriptor,
  blobFile: BlobFile,
  options: TargetOptions,
  depth: number,
): Promise<TargetImage[]> {
  if (depth > maximumDepth) throw invalid(`indexes are nested deeper than ${maximumDepth}`)
  const document = (await readDocument(blobFile, descriptor.digest)) as Document
  if (document.manifests && (document.config || document.layers)) {
    // CVE-2021-41190: a runtime might take the other half of it.
    throw invalid(`${descriptor.digest} is an image and an index at once`)
  }
  if (!document.manifests) {
    const image = await describeImage(descriptor, document, blobFile, options)
    return image ? [image] : []
  }
  const images: TargetImage[] = []
  for (const child of document.manifests) {
    if (child.platform && !isWanted(child.platform, options.platform)) continue
    images.push(...(await collect(child, blobFile, options, depth + 1)))
    if (images.length > maximumImages) throw invalid(`it has more than ${maximumImages} images`)
  }
  return images
}

async function describeImage(
  { digest, platform }: Descriptor,
  { config, layers }: Document,
  blobFile: BlobFile,
  options: TargetOptions,
): Promise<TargetImage | undefined> {
  if (!config || !Array.isArray(layers)) throw invalid(`${digest} is neither an image nor an index`)
  const image = (await readDocument(blobFile, config.digest)) as ImageConfig
  const ran = platform ?? (image.os && image.architecture ? (image as Platform) : undefined)
  if (ran && !isWanted(ran, options.platform)) return undefined
  return {
    digest,
    config: config.digest,
    ...(ran ? { platform: formatPlatform(ran) } : {}),
    readInventory: async () =>
      runScan(
        {
          layers: await openLayers(describeLayers(layers, image, config.mediaType), blobFile),
          ...(options.cacheFolder === undefined ? {} : { cacheFolder: options.cacheFolder }),
        },
        { ...scanLimits, timeoutMs: options.timeoutMs },
      ),
  }
}

async function openLayers(
  layers: readonly Omit<LayerTask, 'bytes'>[],
  blobFile: BlobFile,
): Promise<LayerTask[]> {
  return Promise.all(
    layers.map(async (layer) => ({ ...layer, bytes: { file: await blobFile(layer.digest) } })),
  )
}

/** Reads a JSON document by its digest, which is checked. */
async function readDocument(blobFile: BlobFile, digest: string): Promise<object> {
  const file = await blobFile(digest)
  const { size } = await stat(file)
  if (size > maximumDocumentBytes) throw invalid(`${digest} has ${size} bytes, too many for a manifest`)
  const bytes = await readFile(file)
  const actual = digestOf(bytes, isDigest(digest) ? algorithmOf(digest) : 'sha256')
  if (actual !== digest) throw invalid(`the content of ${digest} has digest ${actual}`)
  try {
    const document: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof document === 'object' && document !== null) return document
  } catch (error) {
    throw invalid(`${digest} is not JSON`, error)
  }
  throw invalid(`${digest} is not a JSON object`)
}

function isWanted({ os, architecture, variant }: Platform, wanted: string | undefined): boolean {
  // Attestations of buildkit are listed under a platform that is none.
  if (os === 'unknown') return false
  if (wanted === undefined) return true
  const [wantedOs, wantedArchitecture, wantedVariant] = wanted.split('/')
  return (
    os === wantedOs &&
    architecture === wantedArchitecture &&
    (wantedVariant === undefined || variant === wantedVariant)
  )
}

function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter((part) => part !== undefined && part !== '').join('/')
}

export function invalid(why: string, cause?: unknown): GateFailure {
  return new GateFailure('TARGET_INVALID', why, cause === undefined ? {} : { cause })
}
