import type { IncomingMessage } from 'node:http'
import { RegistryFailure } from './failures.ts'

/**
 * A request body chunk by chunk. A client that pauses longer than `idleMs` gets BODY_TIMEOUT; one that goes
 * away before it sent all it announced ends the iteration with an error.
 */
export async function* readBody(request: IncomingMessage, idleMs: number): AsyncIterable<Uint8Array> {
  // The request stays open after an early end, so that the refusal can still be answered.
  const chunks = request.iterator({ destroyOnReturn: false })
  let giveUp = (_error: Error): void => {}
  const timer = setTimeout(() => {
    giveUp(new RegistryFailure('BODY_TIMEOUT', `no byte of the body came for ${idleMs} ms`))
  }, idleMs)
  try {
    for (;;) {
      // A promise of its own for each chunk: racing with one that lives as long as the body would keep
      // every chunk in memory until its end.
      const next = Promise.withResolvers<IteratorResult<unknown>>()
      giveUp = next.reject
      chunks.next().then(next.resolve, next.reject)
      const { done, value } = await next.promise
      if (done) break
      timer.refresh()
      yield value as Uint8Array
    }
    if (!request.complete) throw new RegistryFailure('SIZE_INVALID', 'the body ended before it was complete')
  } finally {
    clearTimeout(timer)
  }
}

/** A whole body of at most `maximumBytes`; throws what `tooLarge` makes otherwise. */
export async function readWholeBody(
  request: IncomingMessage,
  idleMs: number,
  maximumBytes: number,
  tooLarge: () => Error,
): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maximumBytes) throw tooLarge()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of readBody(request, idleMs)) {
    size += chunk.length
    if (size > maximumBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
