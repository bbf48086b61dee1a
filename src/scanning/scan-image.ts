import { buffer } from 'node:stream/consumers'
import type { Database } from '../database/index.ts'
import type { Digest } from '../kernel/digest.ts'
import {
  findBlob,
  findManifestAnywhere,
  isRunnableLayer,
  type BlobStore,
  type Location,
} from '../registry/index.ts'
import { describeLayers, type LayerConfig } from './describe-layers.ts'
import { ScanningFailure } from './failures.ts'
import { runScan, scanLimits } from './process/run-scan.ts'
import type { LayerTask } from './process/scan-task.ts'
import type { Inventory } from './types.ts'

const maximumConfigBytes = 8 * 1024 * 1024

export interface ScanParts {
  readonly database: Database
  readonly blobs: BlobStore
  /** The file of a blob, which the scanning process opens by itself. */
  blobFile(location: Location): string
  /** What was read of layers is kept here. */
  readonly cacheFolder: string
  readonly scanTimeoutMs: number
}

interface ImageManifest {
  readonly config: { readonly digest: string; readonly mediaType: string }
  readonly layers: readonly { readonly digest: string; readonly mediaType: string }[]
}

/** Reads what an image holds. Throws SCAN_FAILED, with the reason, for one that cannot be read. */
export async function scanImage(parts: ScanParts, digest: Digest, signal: AbortSignal): Promise<Inventory> {
  const manifest = await findManifestAnywhere(parts.database, digest)
  if (!manifest) throw new ScanningFailure('SCAN_UNKNOWN', `there is no manifest ${digest}`)
  const { config, layers } = JSON.parse(manifest.content.toString()) as ImageManifest
  const strange = layers.find((layer) => !isRunnableLayer(layer.mediaType))
  if (strange) throw new ScanningFailure('SCAN_FAILED', `layers of type ${strange.mediaType} cannot be read`)
  const described = describeLayers(layers, await readConfig(parts, config.digest as Digest), config.mediaType)
  const tasks = await Promise.all(
    described.map(async (layer): Promise<LayerTask> => {
      const blob = await findBlob(parts.database, layer.digest as Digest)
      if (!blob) throw new ScanningFailure('SCAN_FAILED', `layer ${layer.digest} is not held here`)
      // Nothing becomes a blob before its digest was checked.
      return { ...layer, bytes: { file: parts.blobFile(blob.location) }, isVerified: true }
    }),
  )
  const limits = { ...scanLimits, timeoutMs: parts.scanTimeoutMs }
  return runScan({ layers: tasks, cacheFolder: parts.cacheFolder }, limits, signal)
}

async function readConfig(parts: ScanParts, digest: Digest): Promise<LayerConfig> {
  const blob = await findBlob(parts.database, digest)
  if (!blob || blob.size > maximumConfigBytes) {
    throw new ScanningFailure('SCAN_FAILED', `the config ${digest} is missing or too large`)
  }
  try {
    const config: unknown = JSON.parse((await buffer(parts.blobs.open(blob.location))).toString())
    if (typeof config === 'object' && config !== null) return config
  } catch (error) {
    throw new ScanningFailure('SCAN_FAILED', `the config ${digest} cannot be read`, { cause: error })
  }
  throw new ScanningFailure('SCAN_FAILED', `the config ${digest} is not an object`)
}
