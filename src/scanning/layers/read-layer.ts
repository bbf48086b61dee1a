import { createHash, type Hash } from 'node:crypto'
import { once, type EventEmitter } from 'node:events'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { extract } from 'tar-stream'
import type { FileFacts } from '../catalogers/index.ts'
import { ScanningFailure } from '../failures.ts'
import { catalogueFile, headBytes, wantedBy } from './catalogue-file.ts'
import { normalisePath } from './normalise-path.ts'

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

type Compression = 'gzip' | 'zstd' | 'none'

type Archive = ReturnType<typeof extract>
type Entry = Archive extends AsyncIterable<infer One> ? One : never

/**
 * Reads a layer once, as a stream (image-spec, "Image Layer Filesystem Changeset"). Only what catalogers want
 * is ever held. Throws SCAN_FAILED for what is no layer or passes a limit.
 */
export async function readLayer(
  blob: Readable,
  mediaType: string,
  limits: LayerLimits = layerLimits,
): Promise<LayerChanges> {
  const hash = createHash('sha256')
  const changes = new Changes(limits)
  const archive = extract()
  const reading = readEntries(archive, changes)
  const stages = [blob, ...decompressor(compressionOf(mediaType)), counter(hash, limits), archive] as const
  try {
    await Promise.all([pipeline(stages as unknown as [Readable, typeof archive]), reading])
  } catch (error) {
    if (error instanceof ScanningFailure) throw error
    throw new ScanningFailure('SCAN_FAILED', `a layer cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
  return { ...changes.result(), diffId: `sha256:${hash.digest('hex')}` }
}

function compressionOf(mediaType: string): Compression {
  if (mediaType.endsWith('gzip')) return 'gzip'
  return mediaType.endsWith('zstd') ? 'zstd' : 'none'
}

function decompressor(compression: Compression): Transform[] {
  if (compression === 'none') return []
  return [compression === 'gzip' ? createGunzip({ chunkSize: 256 * 1024 }) : createZstdDecompress()]
}

/** Hashes what comes out of decompression, which is the diff-id, and stops a bomb. */
function counter(hash: Hash, limits: LayerLimits): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      hash.update(chunk)
      if (bytes > limits.uncompressedBytes) {
        done(
          new ScanningFailure(
            'SCAN_FAILED',
            `a layer unpacks to more than ${limits.uncompressedBytes} bytes`,
          ),
        )
      } else done(null, chunk)
    },
  })
}

async function readEntries(archive: Archive, changes: Changes): Promise<void> {
  for await (const entry of archive) {
    changes.countEntry()
    await readEntry(entry, changes)
  }
}

async function readEntry(entry: Entry, changes: Changes): Promise<void> {
  const { header } = entry
  const path = normalisePath(header.name)
  const type = header.type ?? 'file'
  if (path === undefined || changes.noteWhiteout(path)) entry.resume()
  else if (type !== 'file' && type !== 'contiguous-file') {
    changes.noteOther(path, type, header.linkname ?? undefined)
    entry.resume()
  } else {
    const facts = await readFile(entry, path, header.size ?? 0)
    if (facts) changes.files.set(path, facts)
    else changes.noteOther(path, 'file', undefined)
  }
}

async function readFile(entry: Entry, path: string, sizeBytes: number): Promise<FileFacts | undefined> {
  const wanting = wantedBy(path, await peek(entry))
  if (wanting.length === 0) {
    entry.resume()
    return undefined
  }
  return catalogueFile(wanting, path, sizeBytes, entry as AsyncIterable<Buffer>)
}

/** The first bytes of a file, which stay to be read. */
async function peek(entry: Entry): Promise<Buffer> {
  for (;;) {
    const chunk = entry.read() as Buffer | null
    if (chunk !== null) {
      entry.unshift(chunk)
      return chunk.subarray(0, headBytes)
    }
    if ((entry.header.size ?? 0) === 0) return Buffer.alloc(0)
    await once(entry as unknown as EventEmitter, 'readable')
  }
}

/** Collects what a layer changes. */
class Changes {
  readonly files = new Map<string, FileFacts>()
  readonly #removed: string[] = []
  readonly #opaque: string[] = []
  readonly #links: [string, string][] = []
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

  /** Anything else that takes a path replaces what was there; a hard link has what its target has. */
  noteOther(path: string, type: string, target: string | undefined): void {
    if (type === 'directory') return
    const linked = type === 'link' ? normalisePath(target ?? '') : undefined
    const facts = linked === undefined ? undefined : this.files.get(linked)
    if (facts) this.files.set(path, facts)
    else {
      this.#removed.push(path)
      if (linked !== undefined) this.#links.push([path, linked])
    }
  }

  result(): Omit<LayerChanges, 'diffId'> {
    return { files: this.files, removed: this.#removed, opaque: this.#opaque, links: this.#links }
  }
}
