import { createHash, type Hash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FileFacts } from '../catalogers/index.ts'
import { ScanningFailure } from '../failures.ts'
import { catalogueFile, headBytes, wantedBy } from './catalogue-file.ts'
import { decompress } from './decompress.ts'
import { normalisePath } from './normalise-path.ts'
import { hidesDatabase } from './package-databases.ts'
import { readTar, type TarEntry } from './read-tar.ts'

export interface LayerLimits {
  readonly entries: number
  readonly uncompressedBytes: number
}

export const layerLimits: LayerLimits = { entries: 2_000_000, uncompressedBytes: 64 * 1024 ** 3 }

/** What one layer does to the files that matter. */
export interface LayerChanges {
  readonly diffId: string
  /** Facts of the files it brings, by path. */
  readonly files: ReadonlyMap<string, FileFacts>
  /** Paths that it hides or replaces, with everything that lower layers have below them. */
  readonly removed: readonly string[]
  /** Folders whose lower content it hides. */
  readonly opaque: readonly string[]
  /** Hard links to what is not in this layer: path and target. */
  readonly links: readonly (readonly [string, string])[]
}

/**
 * Reads a layer once, as a stream (image-spec, "Image Layer Filesystem Changeset"). Only what catalogers want
 * is ever held. Throws SCAN_FAILED for what is no layer or passes a limit.
 */
export async function readLayer(blob: Readable, limits: LayerLimits = layerLimits): Promise<LayerChanges> {
  const hash = createHash('sha256')
  const changes = new Changes(limits)
  try {
    await pipeline(blob, decompress, counter(hash, limits), async (tar: AsyncIterable<Buffer>) => {
      for await (const entry of readTar(tar)) {
        changes.countEntry()
        await readEntry(entry, changes)
      }
    })
  } catch (error) {
    if (error instanceof ScanningFailure) throw error
    throw new ScanningFailure('SCAN_FAILED', `a layer cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
  return { ...changes.result(), diffId: `sha256:${hash.digest('hex')}` }
}

/** Hashes what comes out of decompression, which is the diff-id, and stops a bomb. */
function counter(hash: Hash, { uncompressedBytes }: LayerLimits) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
    let bytes = 0
    for await (const chunk of chunks) {
      bytes += chunk.length
      if (bytes > uncompressedBytes) {
        throw new ScanningFailure('SCAN_FAILED', `a layer unpacks to more than ${uncompressedBytes} bytes`)
      }
      hash.update(chunk)
      yield chunk
    }
  }
}

async function readEntry(entry: TarEntry, changes: Changes): Promise<void> {
  const path = normalisePath(entry.name)
  if (path === undefined || changes.noteWhiteout(path)) return
  const facts = entry.type === 'file' ? await readFile(entry, path) : undefined
  if (facts) changes.noteFile(path, facts)
  else changes.noteOther(path, entry)
}

async function readFile(entry: TarEntry, path: string): Promise<FileFacts | undefined> {
  const wanting = wantedBy(path, await entry.head(headBytes))
  if (wanting.length === 0) return undefined
  return catalogueFile(wanting, path, entry.sizeBytes, entry.content())
}

/** Collects what a layer changes. */
class Changes {
  readonly files = new Map<string, FileFacts>()
  readonly #removed: string[] = []
  readonly #opaque: string[] = []
  readonly #links = new Map<string, string>()
  readonly #limits: LayerLimits
  #entries = 0

  constructor(limits: LayerLimits) {
    this.#limits = limits
  }

  countEntry(): void {
    if (++this.#entries > this.#limits.entries) {
      throw new ScanningFailure('SCAN_FAILED', `a layer has more than ${this.#limits.entries} entries`)
    }
  }

  /** `.wh.NAME` hides NAME, `.wh..wh..opq` all that lower layers have in the folder (image-spec, "Whiteouts"). */
  noteWhiteout(path: string): boolean {
    const slash = path.lastIndexOf('/')
    const name = path.slice(slash + 1)
    if (!name.startsWith('.wh.')) return false
    const folder = path.slice(0, slash + 1)
    if (name === '.wh..wh..opq') this.#opaque.push(folder)
    else if (!name.startsWith('.wh..wh.')) this.#removed.push(folder + name.slice('.wh.'.length))
    return true
  }

  /** Of two entries of one path the last one holds. */
  noteFile(path: string, facts: FileFacts): void {
    this.#links.delete(path)
    this.files.set(path, facts)
  }

  /** Anything else that takes a path replaces what was there; a hard link has what its target has. */
  noteOther(path: string, { type, target }: Pick<TarEntry, 'type' | 'target'>): void {
    if (type === 'directory') return
    const linked = type === 'link' ? normalisePath(target) : undefined
    const facts = linked === undefined ? undefined : this.files.get(linked)
    if (linked !== undefined && facts) {
      return this.noteFile(path, { ...facts, linkTo: facts.linkTo ?? linked })
    }
    this.files.delete(path)
    this.#links.delete(path)
    this.#removed.push(path)
    if (type === 'symlink' && hidesDatabase(path, target)) {
      this.files.set(path, {
        unknown: `it is a link to ${target.slice(0, 200)}, where no packages are looked for`,
      })
    }
    // A link to a link of this layer leads where that one leads.
    if (linked !== undefined) this.#links.set(path, this.#links.get(linked) ?? linked)
  }

  result(): Omit<LayerChanges, 'diffId'> {
    return { files: this.files, removed: this.#removed, opaque: this.#opaque, links: [...this.#links] }
  }
}
