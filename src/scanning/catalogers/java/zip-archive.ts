import { promisify } from 'node:util'
import { inflateRawSync } from 'node:zlib'
import {
  type Entry,
  type LocalFileHeader,
  RandomAccessReader,
  type ZipFile,
  fromRandomAccessReader,
} from 'yauzl'
import type { FileContent } from '../types.ts'

/** A run of bytes that is read where it lies. */
export type Bytes = Pick<FileContent, 'sizeBytes' | 'read'>

export interface ZipEntry {
  readonly path: string
  readonly entry: Entry
}

const endSignature = Buffer.from('PK\x05\x06', 'latin1')
const directorySignature = 0x02014b50
const endBytes = 22
const maximumCommentBytes = 65_535
const windowBytes = 64 * 1024

/**
 * A zip file's directory and content (PKWARE APPNOTE, 4.3). Throws for what is none, is encrypted, packed in a way
 * that is not known, or unpacks to more than it says.
 */
export class ZipArchive {
  readonly #bytes: Bytes
  readonly #zip: ZipFile

  private constructor(bytes: Bytes, zip: ZipFile) {
    this.#bytes = bytes
    this.#zip = zip
  }

  static async open(file: Bytes): Promise<ZipArchive> {
    const bytes = withoutPrefix(file)
    const options = { lazyEntries: true, decodeStrings: false, autoClose: false }
    const open = promisify<RandomAccessReader, number, typeof options, ZipFile>(fromRandomAccessReader)
    return new ZipArchive(bytes, await open(new WindowReader(bytes), bytes.sizeBytes, options))
  }

  /** Every entry of the directory, in its order. */
  async *entries(): AsyncGenerator<ZipEntry> {
    for await (const entry of this.#zip.eachEntry()) {
      yield { path: entry.fileNameRaw.toString('utf8'), entry }
    }
  }

  /** The content of an entry that lies in the archive as it is; undefined for one that is packed. */
  async stored({ entry }: ZipEntry): Promise<Bytes | undefined> {
    if (entry.compressionMethod !== 0 || entry.isEncrypted()) return undefined
    return slice(this.#bytes, await this.#dataStart(entry), entry.uncompressedSize)
  }

  /** The content of an entry, unpacked. */
  async unpack({ entry }: ZipEntry, maximumBytes: number): Promise<Buffer> {
    if (entry.isEncrypted()) throw new Error('it is encrypted')
    if (entry.uncompressedSize > maximumBytes || entry.compressedSize > maximumBytes + windowBytes) {
      throw new Error(`it has ${entry.uncompressedSize} bytes; at most ${maximumBytes} are read`)
    }
    const packed = this.#bytes.read(await this.#dataStart(entry), entry.compressedSize)
    if (entry.compressionMethod === 0) return Buffer.from(packed)
    if (entry.compressionMethod !== 8) throw new Error(`it is packed by method ${entry.compressionMethod}`)
    // Unpacked in one piece where that can be: pieces are joined by copying them.
    const chunkSize = Math.min(Math.max(64, entry.uncompressedSize + 1), 4 * windowBytes)
    return inflateRawSync(packed, { maxOutputLength: Math.max(1, entry.uncompressedSize), chunkSize })
  }

  async #dataStart(entry: Entry): Promise<number> {
    const read = promisify(this.#zip.readLocalFileHeader.bind(this.#zip)) as unknown as (
      entry: Entry,
      options: { minimal: true },
    ) => Promise<Pick<LocalFileHeader, 'fileDataStart'>>
    return (await read(entry, { minimal: true })).fileDataStart
  }
}

/** Hands out the directory from a window of it, rather than asking the file for every few bytes. */
class WindowReader extends RandomAccessReader {
  readonly #bytes: Bytes
  #window: Buffer = Buffer.alloc(0)
  #windowAt = 0

  constructor(bytes: Bytes) {
    super()
    this.#bytes = bytes
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | null, bytesRead?: number) => void,
  ): void {
    const isInWindow = position >= this.#windowAt && position + length <= this.#windowAt + this.#window.length
    if (!isInWindow) {
      this.#window = Buffer.from(this.#bytes.read(position, Math.max(length, windowBytes)))
      this.#windowAt = position
    }
    const at = position - this.#windowAt
    const bytesRead = this.#window.copy(buffer, offset, at, at + length)
    done(bytesRead < length ? new Error('it is cut off') : null, bytesRead)
  }
}

/** A program may stand in front (Spring Boot's executable jars), while offsets count from where the zip begins. */
function withoutPrefix(file: Bytes): Bytes {
  const tailAt = Math.max(0, file.sizeBytes - endBytes - maximumCommentBytes)
  const tail = Buffer.from(file.read(tailAt, file.sizeBytes - tailAt))
  const end = tail.lastIndexOf(endSignature, tail.length - endBytes)
  if (end < 0) throw new Error('it is no zip file, or is cut off')
  const directoryAt = tailAt + end - tail.readUInt32LE(end + 12)
  const prefixBytes = directoryAt - tail.readUInt32LE(end + 16)
  if (prefixBytes <= 0 || directoryAt + 4 > file.sizeBytes) return file
  const isDirectory = file.read(directoryAt, 4).readUInt32LE(0) === directorySignature
  return isDirectory ? slice(file, prefixBytes, file.sizeBytes - prefixBytes) : file
}

function slice(bytes: Bytes, start: number, length: number): Bytes {
  const sizeBytes = Math.max(0, Math.min(length, bytes.sizeBytes - start))
  return {
    sizeBytes,
    read: (at, wanted) => bytes.read(start + at, Math.max(0, Math.min(wanted, sizeBytes - at))),
  }
}
