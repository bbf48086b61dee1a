/** What goes over the socket of a shim: a type, a length and so many bytes. */
export const frameTypes = {
  /** From the client. */
  stdin: 0,
  stdinEnd: 1,
  /** JSON: `{"columns": …, "rows": …}`. */
  resize: 2,
  reopenLog: 3,
  /** From now on this client is one whose streams are the container's. */
  attach: 4,
  /** From the shim. */
  stdout: 10,
  stderr: 11,
  /** What was asked is done. */
  done: 12,
} as const
export type FrameType = (typeof frameTypes)[keyof typeof frameTypes]

const headerBytes = 5
const maximumBytes = 1 << 20

export function frame(type: FrameType, content: Uint8Array = Buffer.of()): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt8(type)
  header.writeUInt32BE(content.length, 1)
  return Buffer.concat([header, content])
}

/** Puts frames together again from pieces of any size. Throws for one that is too large. */
export class FrameReader {
  *read(chunk: Buffer): Generator<{ readonly type: number; readonly content: Buffer }> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= headerBytes) {
      const size = this.#rest.readUInt32BE(1)
      if (size > maximumBytes) throw new Error(`a frame of ${size} bytes is too large`)
      if (this.#rest.length < headerBytes + size) return
      const content = this.#rest.subarray(headerBytes, headerBytes + size)
      const type = this.#rest.readUInt8()
      this.#rest = this.#rest.subarray(headerBytes + size)
      yield { type, content }
    }
  }

  #rest: Buffer = Buffer.of()
}
