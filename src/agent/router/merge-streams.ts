/** Several streams as one, in the order in which their messages come. It fails when one fails, and ends when all have. */
export async function* mergeStreams<Message>(
  streams: readonly AsyncIterable<Message>[],
): AsyncIterable<Message> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]())
  // At most one of each: a race of promises would keep all that ever came beside a stream that is silent.
  const come: { readonly iterator: AsyncIterator<Message>; readonly result: IteratorResult<Message> }[] = []
  let failure: { readonly error: unknown } | undefined
  let wake = Promise.withResolvers<void>()
  const ask = (iterator: AsyncIterator<Message>): void => {
    iterator.next().then(
      (result) => {
        come.push({ iterator, result })
        wake.resolve()
      },
      (error: unknown) => {
        failure ??= { error }
        wake.resolve()
      },
    )
  }
  iterators.forEach(ask)
  let open = iterators.length
  try {
    while (open > 0) {
      const first = come.shift()
      if (first?.result.done) open--
      else if (first) {
        ask(first.iterator)
        yield first.result.value
      } else {
        if (failure) throw failure.error
        await wake.promise
        wake = Promise.withResolvers()
      }
    }
  } finally {
    // Streams that wait for their next message end with their signal; nobody waits for them here.
    for (const iterator of iterators) void iterator.return?.().catch(() => {})
  }
}
