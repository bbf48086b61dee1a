import { pipeline, Readable, type Transform } from 'node:stream'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { ByteSource } from './byte-source.ts'

const chunkBytes = 256 * 1024
const checksumBytes = 4

/**
 * What is in a layer, packed with gzip, zstd or not at all. Its first bytes tell, as they do for runtimes: media
 * types are often wrong, and what a layer unpacks to is held to its diff-id anyway.
 */
export async function* decompress(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void> {
  const bytes = new ByteSource(source)
  const magic = await bytes.peek(4)
  if (isZstd(magic)) yield* unpackZstd(bytes)
  else if (isGzip(magic)) {
    yield* through(bytes.all(), createGunzip({ chunkSize: chunkBytes }))
  } else yield* bytes.all()
}

/**
 * Frame after frame (RFC 8878, 3.1): Node's own decompression ends silently with the first, and layers that can
 * be pulled in parts (`zstd:chunked`) have one a file.
 */
async function* unpackZstd(bytes: ByteSource): AsyncGenerator<Buffer, void> {
  for (;;) {
    const magic = await bytes.peek(4)
    if (magic.length === 0) return
    if (magic.length === 4 && isFrame(magic)) yield* through(oneFrame(bytes), createZstdDecompress())
    else if (magic.length === 4 && isSkippable(magic)) {
      await bytes.skip(4)
      await bytes.skip((await exactly(bytes, 4)).readUInt32LE())
    } else throw new Error('something that is no zstd frame follows one')
  }
}

/** The bytes of one frame: its header, its blocks, and the checksum where it has one (RFC 8878, 3.1.1). */
async function* oneFrame(bytes: ByteSource): AsyncGenerator<Buffer, void> {
  const start = await exactly(bytes, 5)
  const descriptor = start[4] as number
  const isSingle = (descriptor & 0x20) !== 0
  const dictionary = [0, 1, 2, 4][descriptor & 3] as number
  const contentSize = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] as number
  yield start
  yield await exactly(bytes, (isSingle ? 0 : 1) + dictionary + contentSize)
  for (let isLast = false; !isLast;) {
    const head = await exactly(bytes, 3)
    const value = head.readUIntLE(0, 3)
    isLast = (value & 1) === 1
    yield head
    // A block of one byte repeated (type 1) holds that byte only, however long it claims to be.
    for (let left = ((value >> 1) & 3) === 1 ? 1 : value >> 3; left > 0;) {
      const some = await bytes.some(left)
      left -= some.length
      yield some
    }
  }
  if ((descriptor & 4) !== 0) yield await exactly(bytes, checksumBytes)
}

async function exactly(bytes: ByteSource, length: number): Promise<Buffer> {
  const taken = await bytes.take(length)
  if (taken.length < length) throw new Error('it is cut off')
  return taken
}

async function* through(packed: AsyncIterable<Buffer>, unpack: Transform): AsyncGenerator<Buffer, void> {
  // What goes wrong destroys the last stream of the pipe with the error, which is met in reading it.
  pipeline(Readable.from(packed), unpack, () => {})
  for await (const chunk of unpack) yield chunk as Buffer
}

/** By the first four bytes of a file. */
export function isPacked(magic: Buffer): boolean {
  return isZstd(magic) || isGzip(magic)
}

function isGzip(magic: Buffer): boolean {
  return magic[0] === 0x1f && magic[1] === 0x8b
}

function isZstd(magic: Buffer): boolean {
  return magic.length === 4 && (isFrame(magic) || isSkippable(magic))
}

function isFrame(magic: Buffer): boolean {
  return magic.readUInt32LE() === 0xfd2fb528
}

function isSkippable(magic: Buffer): boolean {
  return (magic.readUInt32LE() & 0xfffffff0) >>> 0 === 0x184d2a50
}
