import type { FileHandle } from 'node:fs/promises'
import type { Writable } from 'node:stream'

const bufferBytes = 256 * 1024
/** Buffers that wait for the next copy. */
const maximumIdleBuffers = 32

const idleBuffers: Buffer[] = []

/**
 * Copies bytes of a file, `first` to `last`, both included, to a sink. Two buffers take turns: one is read
 * into while the other is written from, so memory does not grow with the file, nor with a slow reader.
 */
export async function copyFile(file: FileHandle, first: number, last: number, sink: Writable): Promise<void> {
  const buffers = [takeBuffer(), takeBuffer()] as const
  const writes: [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()]
  const closed = Promise.withResolvers<never>()
  closed.promise.catch(() => {})
  const onClose = (): void => closed.reject(new Error('the client went away'))
  sink.once('close', onClose)
  let isReusable = false
  try {
    let turn: 0 | 1 = 0
    for (let position = first; position <= last;) {
      await Promise.race([writes[turn], closed.promise])
      const buffer = buffers[turn]
      const { bytesRead } = await file.read(buffer, 0, Math.min(bufferBytes, last - position + 1), position)
      if (bytesRead === 0) throw new Error(`the file ends at byte ${position}, before byte ${last}`)
      position += bytesRead
      writes[turn] = write(sink, buffer.subarray(0, bytesRead))
      writes[turn].catch(() => {})
      turn = turn === 0 ? 1 : 0
    }
    await Promise.race([Promise.all(writes), closed.promise])
    isReusable = true
  } finally {
    sink.off('close', onClose)
    // After a failure the socket may still hold a buffer, so it is left to the garbage collector.
    if (isReusable) giveBack(buffers)
  }
}

function write(sink: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    sink.write(bytes, (error) => (error ? reject(error) : resolve()))
  })
}

function takeBuffer(): Buffer {
  return idleBuffers.pop() ?? Buffer.allocUnsafeSlow(bufferBytes)
}

function giveBack(buffers: readonly Buffer[]): void {
  for (const buffer of buffers) if (idleBuffers.length < maximumIdleBuffers) idleBuffers.push(buffer)
}
