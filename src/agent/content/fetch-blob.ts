import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { algorithmOf, finishDigest } from '../../kernel/digest.ts'
import type { RegistryDoor } from '../../registry/offline.ts'
import { CriFailure } from '../cri/failures.ts'
import type { Descriptor, PullOptions } from './types.ts'

/** Nobody needs to know more often how far it is. */
const tellEveryBytes = 1 << 20

/**
 * Fetches a blob into a file. The file has its name only when every byte is there and is what the digest says.
 * Memory does not grow with the blob.
 */
export async function fetchBlob(
  door: RegistryDoor,
  descriptor: Descriptor,
  place: { readonly temporary: string; readonly target: string },
  { signal, progress }: PullOptions,
): Promise<void> {
  const { digest, size } = descriptor
  const tell = (doneBytes: number, state: 'fetching' | 'done'): void =>
    progress?.({ digest, doneBytes, totalBytes: size, state })
  const answer = await door.get(`blobs/${digest}`)
  const hash = createHash(algorithmOf(digest))
  let done = 0
  let told = 0
  const check = new Transform({
    transform(chunk: Buffer, _, next) {
      done += chunk.length
      if (done > size)
        return next(wrong(descriptor, `has more than the ${size} bytes that its manifest says`))
      hash.update(chunk)
      if (done - told >= tellEveryBytes) {
        told = done
        tell(done, 'fetching')
      }
      next(null, chunk)
    },
  })
  try {
    const body = Readable.fromWeb((answer.body ?? new ReadableStream()) as never)
    await pipeline(body, check, createWriteStream(place.temporary, { flush: true }), { signal })
    if (done < size) throw wrong(descriptor, `ended after ${done} of ${size} bytes`)
    if (finishDigest(algorithmOf(digest), hash) !== digest) throw wrong(descriptor, 'has other content')
    await rename(place.temporary, place.target)
    tell(done, 'done')
  } catch (error) {
    await rm(place.temporary, { force: true })
    throw explain(error, descriptor)
  }
}

function wrong({ digest }: Descriptor, why: string): CriFailure {
  return new CriFailure(
    'DATA_LOSS',
    `the blob ${digest} ${why}: the registry or what is between is broken, or lies; pull again, and if it stays so push the image again`,
  )
}

function explain(error: unknown, { digest }: Descriptor): unknown {
  if (error instanceof CriFailure) return error
  const { code, message, name } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new CriFailure(
      'RESOURCE_EXHAUSTED',
      `there is no space for the blob ${digest}; free some, as with pratique rmi`,
    )
  }
  if (name === 'AbortError') return new CriFailure('CANCELLED', `the pull of ${digest} was cancelled`)
  return new CriFailure('UNAVAILABLE', `the blob ${digest} did not arrive: ${message}; pull again`, {
    cause: error,
  })
}
