import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { StringDecoder } from 'node:string_decoder'

/** A line that is longer goes into the log in pieces, as the kubelet expects it. */
const maximumLineBytes = 16 * 1024
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
 * and `F`, or `P` for a part of a line that goes on. Writing is synchronous: a line is in the file before the next
 * byte is read.
 */
export class CriLog {
  readonly #options: CriLogOptions
  readonly #streams = new Map<'stdout' | 'stderr', { decoder: StringDecoder; text: string }>()
  #file: number
  #bytes: number

  constructor(options: CriLogOptions) {
    this.#options = options
    mkdirSync(dirname(options.path), { recursive: true })
    this.#file = openSync(options.path, 'a', 0o640)
    this.#bytes = statSync(options.path).size
  }

  write(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const state = this.#streams.get(stream) ?? { decoder: new StringDecoder(), text: '' }
    this.#streams.set(stream, state)
    const lines = `${state.text}${state.decoder.write(chunk)}`.split('\n')
    state.text = lines.pop() ?? ''
    for (const line of lines) this.#line(stream, line, 'F')
    if (state.text.length >= maximumLineBytes) {
      const whole = state.text.length - (state.text.length % maximumLineBytes)
      this.#pieces(stream, state.text.slice(0, whole), 'P')
      state.text = state.text.slice(whole)
    }
  }

  /** The file at the path again, after somebody has moved it away. */
  reopen(): void {
    closeSync(this.#file)
    this.#file = openSync(this.#options.path, 'a', 0o640)
    this.#bytes = statSync(this.#options.path).size
  }

  /** What has no line end is written all the same. */
  close(): void {
    for (const [stream, { decoder, text }] of this.#streams) {
      const rest = `${text}${decoder.end()}`
      if (rest !== '') this.#line(stream, rest, 'P')
    }
    closeSync(this.#file)
  }

  #line(stream: string, line: string, last: 'F' | 'P'): void {
    const whole = Math.max(0, Math.ceil(line.length / maximumLineBytes) - 1) * maximumLineBytes
    if (whole > 0) this.#pieces(stream, line.slice(0, whole), 'P')
    this.#append(stream, last, line.slice(whole))
  }

  #pieces(stream: string, text: string, tag: 'P'): void {
    for (let at = 0; at < text.length; at += maximumLineBytes) {
      this.#append(stream, tag, text.slice(at, at + maximumLineBytes))
    }
  }

  #append(stream: string, tag: string, text: string): void {
    const time = new Date(this.#options.now()).toISOString().replace('Z', '000000Z')
    const bytes = Buffer.from(`${time} ${stream} ${tag} ${text}\n`)
    if (this.#bytes + bytes.length > (this.#options.maximumBytes ?? defaultMaximumBytes)) {
      renameSync(this.#options.path, `${this.#options.path}.1`)
      this.reopen()
    }
    writeSync(this.#file, bytes)
    this.#bytes += bytes.length
  }
}
