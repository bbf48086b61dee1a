import { Duplex } from 'node:stream'
import { createDeflate, createInflate, constants, type Deflate, type Inflate } from 'node:zlib'
import { dictionary } from './dictionary.ts'

/** SPDY Protocol, Draft 3.1, section 2.6: types of control frames. */
const types = {
  synStream: 1,
  synReply: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  window: 9,
} as const
const finFlag = 1
const version = 3
const headerBytes = 8
const maximumFrameBytes = 1 << 20
const maximumHeaderBytes = 1 << 16
const maximumStreams = 100
/** Data is written in frames of this size, so that one stream does not hold up another. */
const dataBytes = 1 << 14

const statuses = { protocolError: 1, refused: 3, cancel: 5 } as const

export type SpdyHeaders = Readonly<Record<string, string>>

/** One stream of a connection. Its end of writing is half a close; reading goes on. */
export class SpdyStream extends Duplex {
  readonly id: number
  readonly headers: SpdyHeaders
  readonly #connection: SpdyConnection

  constructor(connection: SpdyConnection, id: number, headers: SpdyHeaders) {
    super({ allowHalfOpen: true })
    this.id = id
    this.headers = headers
    this.#connection = connection
  }

  override _read(): void {
    this.#connection.resume()
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#connection.sendData(this.id, chunk, false, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#connection.sendData(this.id, Buffer.of(), true, done)
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#connection.forget(this, error !== null)
    done(error)
  }
}

/**
 * SPDY/3.1 over a connection that was upgraded, as Kubernetes uses it for streams: without flow control of its own,
 * which no client there speaks (a stream that is not read holds up the connection instead). Anything that breaks the
 * protocol ends the connection.
 */
export class SpdyConnection {
  readonly #socket: Duplex
  readonly #isClient: boolean
  readonly #accept: (stream: SpdyStream) => void
  readonly #streams = new Map<number, SpdyStream>()
  readonly #inflate: Inflate = createInflate({ dictionary })
  readonly #deflate: Deflate = createDeflate({ dictionary, level: 1 })
  readonly #blocked = new Set<number>()
  #rest: Buffer = Buffer.of()
  #nextId: number
  #isWorking = false
  #hasEnded = false

  constructor(socket: Duplex, accept: (stream: SpdyStream) => void, isClient = false) {
    this.#socket = socket
    this.#accept = accept
    this.#isClient = isClient
    this.#nextId = isClient ? 1 : 2
    socket.on('data', (chunk: Buffer) => {
      this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
      void this.#work()
    })
    socket.on('error', () => this.destroy())
    socket.once('close', () => {
      this.#hasEnded = true
      void this.#work()
    })
    socket.once('end', () => {
      this.#hasEnded = true
      void this.#work()
    })
  }

  /** Opens a stream of our own. */
  async open(headers: SpdyHeaders): Promise<SpdyStream> {
    const id = this.#nextId
    this.#nextId += 2
    const stream = new SpdyStream(this, id, headers)
    this.#streams.set(id, stream)
    const start = Buffer.alloc(10)
    start.writeUInt32BE(id)
    this.#send(types.synStream, 0, Buffer.concat([start, await this.#pack(headers)]))
    return stream
  }

  sendData(id: number, chunk: Buffer, isLast: boolean, done: (error?: Error | null) => void): void {
    if (this.#socket.destroyed) return done(new Error('the connection is closed'))
    for (let at = 0; at < chunk.length || at === 0; at += dataBytes) {
      const part = chunk.subarray(at, at + dataBytes)
      const header = Buffer.alloc(headerBytes)
      header.writeUInt32BE(id)
      header.writeUInt32BE(part.length, 4)
      if (isLast) header.writeUInt8(finFlag, 4)
      const isEnd = at + dataBytes >= chunk.length
      this.#socket.write(Buffer.concat([header, part]), isEnd ? (error) => done(error ?? null) : undefined)
    }
  }

  /** A stream is read again. */
  resume(): void {
    this.#blocked.clear()
    this.#socket.resume()
    void this.#work()
  }

  forget({ id }: SpdyStream, isBroken: boolean): void {
    if (!this.#streams.delete(id)) return
    this.#blocked.delete(id)
    if (isBroken && !this.#socket.destroyed) this.#reset(id, statuses.cancel)
    this.resume()
  }

  /** Ends when all that was written is sent. */
  close(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
    for (const stream of this.#streams.values()) stream.destroy()
    this.#inflate.close()
    this.#deflate.close()
  }

  /** Nothing more will come: what came already is still to be read. */
  #end(): void {
    for (const stream of this.#streams.values()) {
      stream.once('end', () => stream.destroy())
      stream.push(null)
      // Whoever only writes would wait for ever.
      if (this.#socket.destroyed && stream.readableLength === 0) stream.destroy()
    }
  }

  /** Frame after frame, in order: headers are packed in one stream of bytes for the whole connection. */
  async #work(): Promise<void> {
    if (this.#isWorking) return
    this.#isWorking = true
    try {
      while (this.#blocked.size === 0 && this.#rest.length >= headerBytes) {
        const length = this.#rest.readUIntBE(5, 3)
        if (length > maximumFrameBytes) throw new Error(`a frame of ${length} bytes`)
        if (this.#rest.length < headerBytes + length) break
        const frame = this.#rest.subarray(0, headerBytes + length)
        this.#rest = this.#rest.subarray(headerBytes + length)
        await this.#take(frame)
      }
      if (this.#blocked.size > 0) this.#socket.pause()
      // What came before the end is read first.
      else if (this.#hasEnded) {
        this.#end()
        // Nobody speaks SPDY with half a connection.
        this.#socket.end()
      }
    } catch {
      this.destroy()
    } finally {
      this.#isWorking = false
    }
  }

  async #take(frame: Buffer): Promise<void> {
    const flags = frame.readUInt8(4)
    const content = frame.subarray(headerBytes)
    if ((frame.readUInt8(0) & 0x80) === 0) {
      return this.#takeData(frame.readUInt32BE(0), content, (flags & finFlag) !== 0)
    }
    if ((frame.readUInt16BE(0) & 0x7fff) !== version) throw new Error('another version of SPDY')
    const type = frame.readUInt16BE(2)
    if (type === types.synStream) return this.#takeStream(content, (flags & finFlag) !== 0)
    // The headers of answers are unpacked all the same, as what follows is packed with them in mind.
    if (type === types.synReply || type === types.headers)
      return void (await this.#unpack(content.subarray(4)))
    if (type === types.reset) {
      const stream = this.#streams.get(content.readUInt32BE(0) & 0x7fffffff)
      if (!stream) return undefined
      // Kubernetes resets streams to close them: what came before is still to be read.
      this.#streams.delete(stream.id)
      stream.once('end', () => stream.destroy())
      stream.push(null)
      return undefined
    }
    if (type === types.ping && (content.readUInt32BE(0) & 1) === (this.#isClient ? 0 : 1)) {
      this.#send(types.ping, 0, content)
    }
    if (type === types.goAway) this.#end()
    return undefined
  }

  async #takeStream(content: Buffer, isLast: boolean): Promise<void> {
    const id = content.readUInt32BE(0) & 0x7fffffff
    const headers = await this.#unpack(content.subarray(10))
    const isTheirs = id % 2 === (this.#isClient ? 0 : 1)
    if (!isTheirs || this.#streams.has(id)) throw new Error(`a stream with the number ${id}`)
    if (this.#streams.size >= maximumStreams) return this.#reset(id, statuses.refused)
    const stream = new SpdyStream(this, id, headers)
    this.#streams.set(id, stream)
    const start = Buffer.alloc(4)
    start.writeUInt32BE(id)
    this.#send(types.synReply, 0, Buffer.concat([start, await this.#pack({})]))
    this.#accept(stream)
    if (isLast) stream.push(null)
  }

  #takeData(id: number, content: Buffer, isLast: boolean): void {
    const stream = this.#streams.get(id)
    // It may have been closed here while this was on its way.
    if (!stream) return
    if (content.length > 0 && !stream.push(Buffer.from(content))) this.#blocked.add(id)
    if (isLast) stream.push(null)
  }

  #reset(id: number, status: number): void {
    const content = Buffer.alloc(8)
    content.writeUInt32BE(id)
    content.writeUInt32BE(status, 4)
    this.#send(types.reset, 0, content)
  }

  #send(type: number, flags: number, content: Buffer): void {
    if (this.#socket.destroyed) return
    const header = Buffer.alloc(headerBytes)
    header.writeUInt16BE(0x8000 | version)
    header.writeUInt16BE(type, 2)
    header.writeUInt32BE(content.length, 4)
    header.writeUInt8(flags, 4)
    this.#socket.write(Buffer.concat([header, content]))
  }

  async #pack(headers: SpdyHeaders): Promise<Buffer> {
    const entries = Object.entries(headers)
    const parts = [lengthOf(entries.length)]
    for (const text of entries.flat()) parts.push(lengthOf(Buffer.byteLength(text)), Buffer.from(text))
    return through(this.#deflate, Buffer.concat(parts))
  }

  async #unpack(packed: Buffer): Promise<SpdyHeaders> {
    const bytes = await through(this.#inflate, packed)
    const headers: Record<string, string> = Object.create(null) as Record<string, string>
    let at = 4
    const take = (): string => {
      const length = bytes.readUInt32BE(at)
      if (at + 4 + length > bytes.length) throw new Error('a header that is cut off')
      at += 4 + length
      return bytes.toString('utf8', at - length, at)
    }
    const count = bytes.readUInt32BE(0)
    if (count > 100) throw new Error(`${count} headers`)
    for (let index = 0; index < count; index++) {
      const name = take().toLowerCase()
      headers[name] = take()
    }
    return headers
  }
}

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

/** Through a packer that remembers what came before. Throws for what cannot be unpacked, or is too much. */
function through(packer: Inflate | Deflate, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let size = 0
    const take = (part: Buffer): void => {
      size += part.length
      if (size > maximumHeaderBytes) fail(new Error('headers that are too large'))
      else parts.push(part)
    }
    const end = (): void => {
      packer.off('data', take)
      packer.off('error', fail)
    }
    const fail = (error: Error): void => {
      end()
      packer.on('error', () => {})
      reject(error)
    }
    packer.on('data', take)
    packer.once('error', fail)
    packer.write(bytes)
    packer.flush(constants.Z_SYNC_FLUSH, () => {
      end()
      resolve(Buffer.concat(parts))
    })
  })
}
