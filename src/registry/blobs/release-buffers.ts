import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Bytes that may pass through before their buffers are given back. */
const releaseEveryBytes = 8 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void

let passed = 0

/**
 * Tells that bytes of a body have been written and are no longer needed. Each chunk is a buffer outside the
 * JavaScript heap, which V8 does not see filling up and lets pile up to hundreds of megabytes; a collection
 * of the young generation, well under a millisecond, gives them back.
 */
export function releaseBuffers(bytes: number): void {
  passed += bytes
  if (passed < releaseEveryBytes) return
  passed = 0
  collect({ type: 'minor' })
}
