import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/** A line that is longer goes into the log in pieces, as the kubelet expects it. */
const maximumLineBytes = 16 * 1024
const lineEnd = 0x0a
/** What the kubelet rotates by default; it is the fallback where nobody rotates. */
const defaultMaximumBytes = 10 * 1024 * 1024

export interface CriLogOptions {
  readonly path: string
  /** The file is set aside as `.1` when it has more bytes. */
  readonly maximumBytes?: number
  readonly now: () => number
}

/**
 * What a container prints, as the kubelet reads it (CRI logging, KEP-1959): a line each, with the time, the stream,
 * and `F`, or `P` for a part of a line that goes on; what is printed stays as it is, byte by byte. Writing is synchronous: a line is in the file before the next
 * byte is read.
 */
export class CriLog {
  readonly #options: CriLogOptions
  /** Lines that have no end yet. */
  readonly #unfinished = new Map<'stdout' | 'stderr', Buffer>()
  #file: number
  #bytes: number

  constructor(options: CriLogOptions) {
    this.#options = options
    mkdirSync(dirname(options.path), { recursive: true })
    this.#file = openSync(options.path, 'a', 0o640)
    this.#bytes = statSync(options.path).size
  }

  write(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    let rest = Buffer.concat([this.#unfinished.get(stream) ?? Buffer.of(), chunk])
    for (let end = rest.indexOf(lineEnd); end >= 0; end = rest.indexOf(lineEnd)) {
      this.#line(stream, rest.subarray(0, end), 'F')
      rest = rest.subarray(end + 1)
    }
    while (rest.length >= maximumLineBytes) {
      this.#append(stream, 'P', rest.subarray(0, maximumLineBytes))
      rest = rest.subarray(maximumLineBytes)
    }
    // A copy: what is left of a large chunk is not to keep all of it.
    this.#unfinished.set(stream, Buffer.from(rest))
  }

  /** The file at the path again, after somebody has moved it away. */
  reopen(): void {
    closeSync(this.#file)
    this.#file = openSync(this.#options.path, 'a', 0o640)
    this.#bytes = statSync(this.#options.path).size
  }

  /** What has no line end is written all the same. */
  close(): void {
    for (const [stream, rest] of this.#unfinished) {
      if (rest.length > 0) this.#line(stream, rest, 'P')
    }
    closeSync(this.#file)
  }

  #line(stream: string, line: Buffer, last: 'F' | 'P'): void {
    let rest = line
    while (rest.length > maximumLineBytes) {
      this.#append(stream, 'P', rest.subarray(0, maximumLineBytes))
      rest = rest.subarray(maximumLineBytes)
    }
    this.#append(stream, last, rest)
  }

  #append(stream: string, tag: string, text: Buffer): void {
    const time = new Date(this.#options.now()).toISOString().replace('Z', '000000Z')
    const bytes = Buffer.concat([Buffer.from(`${time} ${stream} ${tag} `), text, Buffer.of(lineEnd)])
    if (this.#bytes + bytes.length > (this.#options.maximumBytes ?? defaultMaximumBytes)) {
      renameSync(this.#options.path, `${this.#options.path}.1`)
      this.reopen()
    }
    writeSync(this.#file, bytes)
    this.#bytes += bytes.length
  }
}
