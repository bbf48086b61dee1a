import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import type { FileBytes } from './scan-task.ts'

const chunkBytes = 256 * 1024

/** The bytes of a layer as a stream. */
export function openLayer({ file, first, last }: FileBytes): Readable {
  return createReadStream(file, {
    highWaterMark: chunkBytes,
    ...(first === undefined ? {} : { start: first }),
    ...(last === undefined ? {} : { end: last }),
  })
}
