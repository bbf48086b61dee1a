import { parentPort, workerData } from 'node:worker_threads'
import { FileBlobStore } from '../registry/index.ts'
import { readLayer, type LayerChanges } from './layers/read-layer.ts'
import { stackLayers } from './layers/stack-layers.ts'
import type { WorkerAnswer, WorkerTask } from './scan-image.ts'

/*
 * Runs in a thread of its own, with a memory limit, so that whatever a layer holds, the server goes on.
 */
const task = workerData as WorkerTask

async function scan(): Promise<WorkerAnswer> {
  const blobs = await FileBlobStore.open(task.blobFolder)
  const changes: LayerChanges[] = []
  for (const layer of task.layers) {
    const change = await readLayer(blobs.open(layer.location), layer.mediaType)
    if (layer.diffId !== undefined && layer.diffId !== change.diffId) {
      return {
        error: `layer ${layer.digest} unpacks to ${change.diffId}, but the config says ${layer.diffId}`,
      }
    }
    changes.push(change)
  }
  const origins = task.layers.map(({ digest, instruction }, index) => ({
    digest,
    diffId: changes[index]?.diffId ?? '',
    ...(instruction === undefined ? {} : { instruction }),
  }))
  return { inventory: stackLayers(origins, changes) }
}

scan().then(
  (answer) => parentPort?.postMessage(answer),
  (error: unknown) => parentPort?.postMessage({ error: (error as Error).message } satisfies WorkerAnswer),
)
