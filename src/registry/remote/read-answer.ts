import { RemoteFailure } from './failures.ts'

/**
 * The body of an answer, of at most so many bytes. Throws TARGET_UNREACHABLE when there is more of it, and when it ends
 * before its end: half an answer is none.
 */
export async function readAnswer(answer: Response, maximumBytes: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of answer.body ?? []) {
      size += chunk.length
      if (size > maximumBytes) break
      chunks.push(Buffer.from(chunk))
    }
  } catch (error) {
    const { message, cause } = error as Error & { cause?: Error }
    throw new RemoteFailure('TARGET_UNREACHABLE', `${what} did not arrive: ${cause?.message ?? message}`)
  }
  if (size <= maximumBytes) return Buffer.concat(chunks)
  throw new RemoteFailure('TARGET_UNREACHABLE', `${what} has more than ${maximumBytes} bytes`)
}
