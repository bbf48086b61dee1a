/** Bytes of a stream, taken in pieces. */
export class ByteSource {
  readonly #source: AsyncIterator<Buffer>
  #held: Buffer = Buffer.alloc(0)

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** So many bytes, which stay to be taken; fewer at the end. */
  async peek(length: number): Promise<Buffer> {
    while (this.#held.length < length) {
      const { done, value } = await this.#source.next()
      if (done) break
      this.#held = this.#held.length === 0 ? value : Buffer.concat([this.#held, value])
    }
    return this.#held.subarray(0, length)
  }

  async take(length: number): Promise<Buffer> {
    const taken = await this.peek(length)
    this.#held = this.#held.subarray(taken.length)
    return taken
  }

  /** At least one byte and at most so many, as they come. Throws at the end. */
  async some(maximum: number): Promise<Buffer> {
    if ((await this.peek(1)).length === 0) throw new Error('it is cut off')
    return this.take(Math.min(maximum, this.#held.length))
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0;) left -= (await this.some(left)).length
  }

  /** All that is left. */
  async *all(): AsyncGenerator<Buffer, void> {
    while ((await this.peek(1)).length > 0) yield await this.take(this.#held.length)
  }

  /** Goes to the end of the stream. */
  async drain(): Promise<void> {
    this.#held = Buffer.alloc(0)
    while (!(await this.#source.next()).done);
  }
}
