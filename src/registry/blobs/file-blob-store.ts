import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, opendir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { copyFile } from './copy-file.ts'
import { releaseBuffers } from './release-buffers.ts'
import { algorithmOf, hexOf, type Digest } from '../../kernel/digest.ts'
import type { BlobStore, ByteRange, Location, StoredBytes, UploadStore } from '../types.ts'

/** Bytes read from a file at a time, for pulls. */
const readSizeBytes = 512 * 1024
/** Bytes gathered before a write to a file, for pushes. */
const writeSizeBytes = 256 * 1024

/**
 * Blobs as files: `blobs/<algorithm>/<2 hex>/<hex>.<random>` and `uploads/<id>`. A blob is written beside,
 * synced, renamed into place, and its folder synced, so that a name in `blobs` always has all its bytes.
 */
export class FileBlobStore implements BlobStore, UploadStore {
  readonly #blobs: string
  readonly #uploads: string

  private constructor(folder: string) {
    this.#blobs = join(folder, 'blobs')
    this.#uploads = join(folder, 'uploads')
  }

  /** Opens the store below a folder and makes what is missing of it. */
  static async open(folder: string): Promise<FileBlobStore> {
    const store = new FileBlobStore(folder)
    await mkdir(store.#blobs, { recursive: true, mode: 0o700 })
    await mkdir(store.#uploads, { recursive: true, mode: 0o700 })
    return store
  }

  open(location: Location, range?: ByteRange): Readable {
    const part = range ? { start: range.first, end: range.last } : {}
    return createReadStream(this.fileOf(location), { highWaterMark: readSizeBytes, ...part })
  }

  async copyTo(location: Location, sink: Writable, range?: ByteRange): Promise<void> {
    const file = await open(this.fileOf(location), 'r')
    try {
      const last = range?.last ?? (await file.stat()).size - 1
      await copyFile(file, range?.first ?? 0, last, sink)
    } finally {
      await file.close()
    }
  }

  async sizeOf(location: Location): Promise<number | undefined> {
    return sizeOfFile(this.fileOf(location))
  }

  async stampOf(location: Location): Promise<string | undefined> {
    const found = await stat(this.fileOf(location)).catch(ignoreMissing)
    return found && [found.ino, found.size, found.mtimeMs, found.ctimeMs].join(' ')
  }

  async remove(location: Location): Promise<void> {
    await rm(this.fileOf(location), { force: true })
  }

  async *list(): AsyncIterable<StoredBytes> {
    for await (const entry of await opendir(this.#blobs, { recursive: true })) {
      if (!entry.isFile()) continue
      const path = join(entry.parentPath, entry.name)
      const found = await stat(path).catch(ignoreMissing)
      if (found) yield { location: path.slice(this.#blobs.length + 1), modifiedAt: found.ctimeMs }
    }
  }

  async stagedBytes(id: string): Promise<number | undefined> {
    return sizeOfFile(this.#uploadPath(id))
  }

  async begin(id: string): Promise<void> {
    await (await open(this.#uploadPath(id), 'wx', 0o600)).close()
  }

  async append(id: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    const file = await open(this.#uploadPath(id), 'r+')
    try {
      let position = (await file.stat()).size
      // The next batch arrives while the one before is written; never more than two are held.
      let writing: Promise<void> = Promise.resolve()
      try {
        for await (const batch of gather(chunks)) {
          await writing
          writing = writeAll(file, batch, position)
          writing.catch(() => {})
          const bytes = batch.reduce((sum, chunk) => sum + chunk.length, 0)
          position += bytes
          releaseBuffers(bytes)
        }
      } finally {
        await writing
      }
      return position
    } finally {
      await file.close()
    }
  }

  read(id: string): Readable {
    return createReadStream(this.#uploadPath(id), { highWaterMark: readSizeBytes })
  }

  async equals(id: string, location: Location): Promise<boolean> {
    const [left, right] = await Promise.all([
      open(this.#uploadPath(id), 'r'),
      open(this.fileOf(location), 'r').catch(ignoreMissing),
    ])
    try {
      return right !== undefined && (await sameBytes(left, right))
    } finally {
      await Promise.all([left.close(), right?.close()])
    }
  }

  async commit(id: string, digest: Digest): Promise<Location> {
    const hex = hexOf(digest)
    const random = randomBytes(8).toString('hex')
    const location = join(algorithmOf(digest), hex.slice(0, 2), `${hex}.${random}`)
    const path = this.fileOf(location)
    await syncPath(this.#uploadPath(id))
    const made = await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await rename(this.#uploadPath(id), path)
    await syncPath(dirname(path))
    // A folder made just now is itself an entry of the folders above it.
    if (made) await Promise.all([syncPath(join(this.#blobs, algorithmOf(digest))), syncPath(this.#blobs)])
    return location
  }

  async discard(id: string): Promise<void> {
    await rm(this.#uploadPath(id), { force: true })
  }

  async *listUploads(): AsyncIterable<{ id: string; modifiedAt: number }> {
    for await (const entry of await opendir(this.#uploads)) {
      const found = await stat(join(this.#uploads, entry.name)).catch(ignoreMissing)
      if (found) yield { id: entry.name, modifiedAt: found.ctimeMs }
    }
  }

  /** The file that holds the bytes at a location. */
  fileOf(location: Location): string {
    return join(this.#blobs, location)
  }

  #uploadPath(id: string): string {
    if (!/^[0-9a-f-]{36}$/.test(id)) throw new Error(`not an upload id: ${JSON.stringify(id)}`)
    return join(this.#uploads, id)
  }
}

/** Joins small chunks, so that a file is written in few large steps and no more is held than one batch. */
async function* gather(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array[]> {
  let batch: Uint8Array[] = []
  let held = 0
  try {
    for await (const chunk of chunks) {
      batch.push(chunk)
      held += chunk.length
      if (held < writeSizeBytes) continue
      yield batch
      batch = []
      held = 0
    }
  } catch (error) {
    // What did arrive is kept: the client can ask how far it came and go on from there.
    if (batch.length > 0) yield batch
    throw error
  }
  if (batch.length > 0) yield batch
}

async function writeAll(file: FileHandle, batch: Uint8Array[], position: number): Promise<void> {
  const total = batch.reduce((sum, chunk) => sum + chunk.length, 0)
  const { bytesWritten } = await file.writev(batch, position)
  if (bytesWritten === total) return
  // A short write (a nearly full disk, a signal): go on with the rest one piece after the other.
  const rest = Buffer.concat(batch).subarray(bytesWritten)
  let written = 0
  while (written < rest.length) {
    const step = await file.write(rest, written, rest.length - written, position + bytesWritten + written)
    written += step.bytesWritten
  }
}

async function sameBytes(left: FileHandle, right: FileHandle): Promise<boolean> {
  const [leftStat, rightStat] = await Promise.all([left.stat(), right.stat()])
  if (leftStat.size !== rightStat.size) return false
  const buffers = [Buffer.allocUnsafe(writeSizeBytes), Buffer.allocUnsafe(writeSizeBytes)] as const
  for (let position = 0; position < leftStat.size; position += writeSizeBytes) {
    const length = Math.min(writeSizeBytes, leftStat.size - position)
    const [leftRead, rightRead] = await Promise.all([
      left.read(buffers[0], 0, length, position),
      right.read(buffers[1], 0, length, position),
    ])
    if (leftRead.bytesRead !== length || rightRead.bytesRead !== length) return false
    if (buffers[0].compare(buffers[1], 0, length, 0, length) !== 0) return false
  }
  return true
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function sizeOfFile(path: string): Promise<number | undefined> {
  return (await stat(path).catch(ignoreMissing))?.size
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
  return undefined
}
