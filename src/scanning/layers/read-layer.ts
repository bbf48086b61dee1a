import { createHash, type Hash } from 'node:crypto'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { extract } from 'tar-stream'
import { catalogers, GoBinaryReader, type Cataloger, type FileFacts } from '../catalogers/index.ts'
import { ScanningFailure } from '../failures.ts'
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
  /** Paths that it hides, with everything below them. */
  readonly removed: readonly string[]
  /** Folders whose lower content it hides. */
  readonly opaque: readonly string[]
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
  if (path === undefined || changes.noteWhiteout(path) || (header.type ?? 'file') !== 'file') {
    if (path !== undefined) changes.noteOther(path, header.type ?? 'file', header.linkname ?? undefined)
    entry.resume()
    return
  }
  const cataloger = catalogers.find((candidate) => candidate.wants(path))
  if (cataloger) changes.files.set(path, await readWanted(entry, path, cataloger, header.size ?? 0))
  else if (((header.mode ?? 0) & 0o111) !== 0) await readExecutable(entry, path, changes)
  else {
    changes.noteOther(path, 'file', undefined)
    entry.resume()
  }
}

async function readWanted(
  entry: Entry,
  path: string,
  cataloger: Cataloger,
  sizeBytes: number,
): Promise<FileFacts> {
  if (sizeBytes > cataloger.maximumBytes) {
    entry.resume()
    return { unknown: `it has ${sizeBytes} bytes; at most ${cataloger.maximumBytes} are read` }
  }
  const chunks: Buffer[] = []
  for await (const chunk of entry) chunks.push(chunk as Buffer)
  return cataloger.read(path, Buffer.concat(chunks))
}

async function readExecutable(entry: Entry, path: string, changes: Changes): Promise<void> {
  const reader = new GoBinaryReader()
  for await (const chunk of entry) reader.push(chunk as Buffer)
  const facts = reader.finish()
  if (facts.packages || facts.unknown) changes.files.set(path, facts)
  else changes.noteOther(path, 'file', undefined)
}

/** Collects what a layer changes. */
class Changes {
  readonly files = new Map<string, FileFacts>()
  readonly #removed: string[] = []
  readonly #opaque: string[] = []
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
    if (type === 'directory' || path.slice(path.lastIndexOf('/') + 1).startsWith('.wh.')) return
    const linked = type === 'link' ? normalisePath(target ?? '') : undefined
    const facts = linked === undefined ? undefined : this.files.get(linked)
    if (facts && catalogers.some((cataloger) => cataloger.wants(path))) this.files.set(path, facts)
    else if (catalogers.some((cataloger) => cataloger.wants(path)) || type === 'symlink')
      this.#removed.push(path)
  }

  result(): Omit<LayerChanges, 'diffId'> {
    return { files: this.files, removed: this.#removed, opaque: this.#opaque }
  }
}
