/** Several streams as one, in the order in which their messages come. It fails when one fails, and ends when all have. */
export async function* mergeStreams<Message>(
  streams: readonly AsyncIterable<Message>[],
): AsyncIterable<Message> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]())
  const next = async (index: number) => {
    const result = await (iterators[index] as AsyncIterator<Message>).next()
    return { index, result }
  }
  const waiting = new Map(iterators.map((_, index) => [index, next(index)]))
  try {
    while (waiting.size > 0) {
      const { index, result } = await Promise.race(waiting.values())
      if (result.done) {
        waiting.delete(index)
        continue
      }
      // Asked for anew before this one is taken: it waits at the end, so that a loud stream silences no other.
      waiting.delete(index)
      waiting.set(index, next(index))
      yield result.value
    }
  } finally {
    // Streams that wait for their next message end with their signal; nobody waits for them here.
    for (const promise of waiting.values()) promise.catch(() => {})
    for (const iterator of iterators) void iterator.return?.().catch(() => {})
  }
}
