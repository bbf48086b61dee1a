import { buffer } from 'node:stream/consumers'
import { Worker } from 'node:worker_threads'
import type { Database } from '../database/index.ts'
import type { Digest } from '../kernel/digest.ts'
import { findBlob, findManifestAnywhere, isRunnableLayer, type BlobStore } from '../registry/index.ts'
import { ScanningFailure } from './failures.ts'
import type { Inventory } from './types.ts'

const maximumConfigBytes = 8 * 1024 * 1024
const workerMemoryMb = 512

/** What the worker is given. */
export interface WorkerTask {
  readonly blobFolder: string
  readonly layers: readonly WorkerLayer[]
}

interface WorkerLayer {
  readonly digest: string
  readonly mediaType: string
  readonly location: string
  /** What the config says the layer unpacks to. */
  readonly diffId: string | undefined
  readonly instruction: string | undefined
}

export type WorkerAnswer = { readonly inventory: Inventory } | { readonly error: string }

export interface ScanParts {
  readonly database: Database
  readonly blobs: BlobStore
  /** Folder of the blob store, which the worker opens by itself. */
  readonly blobFolder: string
  readonly scanTimeoutMs: number
}

interface ImageManifest {
  readonly config: { readonly digest: string }
  readonly layers: readonly { readonly digest: string; readonly mediaType: string }[]
}

interface ImageConfig {
  readonly rootfs?: { readonly diff_ids?: readonly string[] }
  readonly history?: readonly { readonly created_by?: string; readonly empty_layer?: boolean }[]
}

/** Reads what an image holds. Throws SCAN_FAILED, with the reason, for one that cannot be read. */
export async function scanImage(parts: ScanParts, digest: Digest, signal: AbortSignal): Promise<Inventory> {
  const manifest = await findManifestAnywhere(parts.database, digest)
  if (!manifest) throw new ScanningFailure('SCAN_UNKNOWN', `there is no manifest ${digest}`)
  const { config, layers } = JSON.parse(manifest.content.toString()) as ImageManifest
  const { rootfs, history } = await readConfig(parts, config.digest as Digest)
  const instructions = (history ?? []).filter((entry) => !entry.empty_layer).map((entry) => entry.created_by)
  const strange = layers.find((layer) => !isRunnableLayer(layer.mediaType) || /wasm/.test(layer.mediaType))
  if (strange) throw new ScanningFailure('SCAN_FAILED', `layers of type ${strange.mediaType} cannot be read`)
  const tasks = await Promise.all(
    layers.map(async (layer, index): Promise<WorkerLayer> => {
      const blob = await findBlob(parts.database, layer.digest as Digest)
      if (!blob) throw new ScanningFailure('SCAN_FAILED', `layer ${layer.digest} is not held here`)
      return {
        digest: layer.digest,
        mediaType: layer.mediaType,
        location: blob.location,
        diffId: rootfs?.diff_ids?.[index],
        instruction: instructions[index],
      }
    }),
  )
  return runWorker({ blobFolder: parts.blobFolder, layers: tasks }, parts.scanTimeoutMs, signal)
}

async function readConfig(parts: ScanParts, digest: Digest): Promise<ImageConfig> {
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

/** One thread a scan, with a limit on memory and time; whatever goes wrong in it is a failed scan, no more. */
async function runWorker(task: WorkerTask, timeoutMs: number, signal: AbortSignal): Promise<Inventory> {
  const { promise, resolve, reject } = Promise.withResolvers<Inventory>()
  const worker = new Worker(new URL('./scan-worker.ts', import.meta.url), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: workerMemoryMb },
  })
  const fail = (why: string): void => reject(new ScanningFailure('SCAN_FAILED', why))
  const timer = setTimeout(() => fail(`the scan took longer than ${timeoutMs} ms`), timeoutMs)
  const stop = (): void => reject(new Error('the scan was interrupted'))
  signal.addEventListener('abort', stop, { once: true })
  worker.on('message', (answer: WorkerAnswer) =>
    'inventory' in answer ? resolve(answer.inventory) : fail(answer.error),
  )
  worker.on('error', (error) => fail(`the scan broke off: ${error.message}`))
  worker.on('exit', () => fail('the scan ended without an answer'))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
    await worker.terminate()
  }
}
