import type { FileContent } from '../types.ts'
import { MalformedExecutable } from './types.ts'

/** Exactly these bytes, to keep. Throws MalformedExecutable where the file does not have them. */
export function readExactly(file: FileContent, at: number, length: number): Buffer {
  if (!(at >= 0 && length >= 0 && at + length <= file.sizeBytes)) {
    throw new MalformedExecutable(`it points to byte ${at + length} of ${file.sizeBytes}`)
  }
  const bytes = Buffer.from(file.read(at, length))
  if (bytes.length < length) throw new MalformedExecutable('it is cut off')
  return bytes
}

/** Numbers in a header, in the byte order of its machine. Throws MalformedExecutable outside of it. */
export class Fields {
  readonly bytes: Buffer
  readonly isBigEndian: boolean

  constructor(bytes: Buffer, isBigEndian: boolean) {
    this.bytes = bytes
    this.isBigEndian = isBigEndian
  }

  uint16(at: number): number {
    this.#expect(at, 2)
    return this.isBigEndian ? this.bytes.readUInt16BE(at) : this.bytes.readUInt16LE(at)
  }

  uint32(at: number): number {
    this.#expect(at, 4)
    return this.isBigEndian ? this.bytes.readUInt32BE(at) : this.bytes.readUInt32LE(at)
  }

  /** Addresses and sizes above 2^53 do not count exactly; no file has a byte there, so none is lost. */
  uint64(at: number): number {
    const [high, low] = this.isBigEndian ? [at, at + 4] : [at + 4, at]
    return this.uint32(high) * 2 ** 32 + this.uint32(low)
  }

  /** A number as wide as an address of the machine. */
  address(at: number, addressBytes: number): number {
    return addressBytes === 8 ? this.uint64(at) : this.uint32(at)
  }

  /** Text up to a zero byte, or as long as its place. */
  text(at: number, maximumBytes: number): string {
    const place = this.bytes.subarray(at, at + maximumBytes)
    const end = place.indexOf(0)
    return place.toString('latin1', 0, end < 0 ? place.length : end)
  }

  /** Fields of a part, which has to lie inside. */
  part(at: number, length: number): Fields {
    this.#expect(at, length)
    return new Fields(this.bytes.subarray(at, at + length), this.isBigEndian)
  }

  #expect(at: number, length: number): void {
    if (!(at >= 0 && length >= 0 && at + length <= this.bytes.length)) {
      throw new MalformedExecutable('a header of it is cut off')
    }
  }
}
