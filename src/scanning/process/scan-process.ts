import { stat } from 'node:fs/promises'
import { isDigest } from '../../kernel/digest.ts'
import { ScanningFailure } from '../failures.ts'
import { catalogueFile, wantedBy } from '../layers/catalogue-file.ts'
import { LayerCache } from '../layers/layer-cache.ts'
import { readFolder } from '../layers/read-folder.ts'
import { layerLimits, readLayer, type LayerChanges } from '../layers/read-layer.ts'
import { assembleInventory } from './assemble-inventory.ts'
import { openLayer } from './open-layer.ts'
import type { FileBytes, LayerTask, ScanAnswer, ScanTask } from './scan-task.ts'
import { verifyLayer } from './verify-layer.ts'

/*
 * A process of its own for each scan: whatever a layer holds, it can at worst end this process.
 */

process.once('message', (task: ScanTask) => {
  void scan(task)
    .catch((error: unknown): ScanAnswer => ({ error: (error as Error).message }))
    .then((answer) => process.send?.(answer, () => process.disconnect()))
})
// Without the process that asked nobody needs the answer.
process.once('disconnect', () => process.exit(0))

async function scan({ layers, cacheFolder }: ScanTask): Promise<ScanAnswer> {
  const cache = cacheFolder === undefined ? undefined : new LayerCache(cacheFolder)
  const changes: LayerChanges[] = []
  for (const layer of layers) changes.push(await readOnce(layer, cache))
  await cache?.trim()
  return { inventory: assembleInventory(layers, changes) }
}

async function readOnce(layer: LayerTask, cache: LayerCache | undefined): Promise<LayerChanges> {
  if ('folder' in layer.bytes) return readFolder(layer.bytes.folder, layerLimits.entries)
  await verifyLayer(layer)
  const kept = isDigest(layer.digest) ? cache : undefined
  const held = await kept?.find(layer.digest)
  if (held) return held
  if (isModule(layer.mediaType)) return readModule(layer, layer.bytes)
  const changes = await readLayer(openLayer(layer.bytes))
  await kept?.keep(layer.digest, changes)
  return changes
}

/** A WebAssembly module or component is its own layer, with nothing packed around it. */
function isModule(mediaType: string): boolean {
  return /^application\/(vnd\.[a-z.]*)?wasm\b/.test(mediaType) && !/tar|gzip|zstd/.test(mediaType)
}

async function readModule(layer: LayerTask, bytes: FileBytes): Promise<LayerChanges> {
  const end = bytes.last === undefined ? (await stat(bytes.file)).size : bytes.last + 1
  const size = end - (bytes.first ?? 0)
  const [head] = (await openLayer({ ...bytes, last: (bytes.first ?? 0) + 3 }).toArray()) as Buffer[]
  if (head?.toString('latin1') !== '\0asm') {
    throw new ScanningFailure('SCAN_FAILED', `layer ${layer.digest} is no WebAssembly, as its type says`)
  }
  const wanting = wantedBy('module.wasm', Buffer.from('\0asm', 'latin1'))
  if (wanting.length === 0) throw new ScanningFailure('SCAN_FAILED', 'WebAssembly cannot be read')
  const facts = await catalogueFile(wanting, 'module.wasm', size, openLayer(bytes) as AsyncIterable<Buffer>)
  const files = new Map([['module.wasm', facts ?? {}]])
  return { diffId: layer.diffId ?? layer.digest, files, removed: [], opaque: [], links: [] }
}
