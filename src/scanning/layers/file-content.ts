import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FileContent } from '../catalogers/index.ts'

/** Larger files lie in a temporary file while they are read. */
const heldBytes = 16 * 1024 * 1024

/** Content that is in memory. */
export function contentOf(bytes: Buffer): FileContent {
  return {
    sizeBytes: bytes.length,
    read: (at, length) => bytes.subarray(at, at + length),
    bytes: () => bytes,
    text: () => bytes.toString('utf8'),
  }
}

/** Content of an open file, read where it lies. */
export function contentOfFile(descriptor: number, sizeBytes: number): FileContent {
  const read = (at: number, length: number): Buffer => {
    const buffer = Buffer.allocUnsafe(Math.max(0, Math.min(length, sizeBytes - at)))
    let filled = 0
    while (filled < buffer.length) {
      const bytesRead = readSync(descriptor, buffer, filled, buffer.length - filled, at + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  }
  return {
    sizeBytes,
    read,
    bytes: () => read(0, sizeBytes),
    text: () => read(0, sizeBytes).toString('utf8'),
  }
}

/**
 * Hands a streamed file over for reading back and forth: small ones from memory, large ones from a temporary
 * file that has no name, so that it is gone whatever happens to the process.
 */
export async function withContent<Result>(
  chunks: AsyncIterable<Buffer>,
  sizeBytes: number,
  act: (file: FileContent) => Result | Promise<Result>,
): Promise<Result> {
  if (sizeBytes <= heldBytes) {
    const held: Buffer[] = []
    for await (const chunk of chunks) held.push(chunk)
    return act(contentOf(held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held)))
  }
  const descriptor = openNameless()
  try {
    let written = 0
    for await (const chunk of chunks) {
      for (let done = 0; done < chunk.length;) done += writeSync(descriptor, chunk, done)
      written += chunk.length
    }
    return await act(contentOfFile(descriptor, written))
  } finally {
    closeSync(descriptor)
  }
}

function openNameless(): number {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-scan-'))
  try {
    return openSync(join(folder, 'content'), 'wx+', 0o600)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
