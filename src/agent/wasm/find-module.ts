import { closeSync, constants, lstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { countMemories } from './count-memories.ts'
import { LayerPaths } from '../content/layer-paths.ts'
import type { ContentStore, PullOptions, Snapshots, StoredImage } from '../content/types.ts'
import { CriFailure } from '../cri/failures.ts'

/** CNCF, "Wasm OCI Artifact layout", and what came before it. */
const wasmLayers = ['application/wasm', 'application/vnd.wasm.content.layer.v1+wasm']
const maximumModuleBytes = 256 * 1024 * 1024

/** The module of an image, and the files that come with it. */
export interface FoundModule {
  readonly file: string
  /** What the module is called, as its first argument. */
  readonly name: string
  /** The image's own files; undefined for an artifact, which is the module and nothing else. */
  readonly root: string | undefined
  readonly isComponent: boolean
}

export interface FindParts {
  readonly store: ContentStore
  readonly snapshots: Snapshots
}

/**
 * The module of an artifact, which is its layer, or of an image, which is the file that its entry point names among
 * the files of its layers. Throws FAILED_PRECONDITION for what is no module that can be run here.
 */
export async function findModule(
  { store, snapshots }: FindParts,
  image: StoredImage,
  command: readonly string[],
  key: string,
  options: PullOptions,
): Promise<FoundModule> {
  const layer = image.layers.find(({ mediaType }) => wasmLayers.includes(mediaType))
  if (layer) {
    const title = layer.annotations?.['org.opencontainers.image.title'] ?? 'module.wasm'
    const file = store.blobFile(layer.digest)
    return { file, name: title, root: undefined, isComponent: isComponent(file, title) }
  }
  const [entry] = command
  if (entry === undefined) {
    throw new CriFailure(
      'FAILED_PRECONDITION',
      'neither the image nor the container says which module to run',
    )
  }
  const root = await snapshots.prepare(image, key, options)
  const file = join(root, new LayerPaths([root]).resolveWhole(entry))
  return { file, name: entry, root, isComponent: isComponent(file, entry) }
}

/** WebAssembly core specification, "Binary Format, Modules"; component-model, "Binary": the layer tells them apart. */
function isComponent(file: string, name: string): boolean {
  const stats = lstatSync(file, { throwIfNoEntry: false })
  if (!stats?.isFile()) throw new CriFailure('FAILED_PRECONDITION', `the image has no module ${name}`)
  if (stats.size > maximumModuleBytes) {
    throw new CriFailure(
      'FAILED_PRECONDITION',
      `the module ${name} has more than ${maximumModuleBytes} bytes`,
    )
  }
  const handle = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    const head = Buffer.alloc(8)
    readSync(handle, head)
    if (isComponentHead(head, name)) return true
    refuseMemories(countMemories(handle), name)
    return false
  } finally {
    closeSync(handle)
  }
}

function isComponentHead(head: Buffer, name: string): boolean {
  if (head.readUInt32BE(0) !== 0x0061736d) {
    throw new CriFailure(
      'FAILED_PRECONDITION',
      `${name} is no WebAssembly; see what the image was built from`,
    )
  }
  if (head.readUInt16LE(6) === 1) return true
  if (head.readUInt32LE(4) !== 1) {
    throw new CriFailure('FAILED_PRECONDITION', `${name} is WebAssembly of a version that is not known`)
  }
  return false
}

/** The limit of memory is one for each of them. */
function refuseMemories(count: number, name: string): void {
  if (count <= 1) return
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `${name} has ${count === Infinity ? 'more sections than are looked through' : `${count} memories`}, and the limit of memory would not hold; build it with one memory`,
  )
}
