import { readSync } from 'node:fs'

const preambleBytes = 8
/** A section's id and its size, and a number that begins it. */
const headBytes = 1 + 5 + 5
const memorySection = 5
/** Tools write one for each thing that they say about a module, which is tens of them. */
const maximumSections = 10_000

/**
 * How many memories a module has of its own (WebAssembly core specification, "Binary Format: Modules" and "Memory
 * Section"); those that it imports nobody gives it. A damaged module is not told apart: it is not started anyway.
 */
export function countMemories(handle: number): number {
  let count = 0
  let at = preambleBytes
  for (let sections = 0; sections <= maximumSections; sections++) {
    const head = Buffer.alloc(headBytes)
    const read = readSync(handle, head, { position: at })
    const size = readNumber(head.subarray(0, read), 1)
    if (!size) return count
    if (head[0] === memorySection) count += readNumber(head.subarray(0, read), size.next)?.value ?? 0
    at += size.next + size.value
  }
  // Nobody looks through more of them.
  return Infinity
}

/** An unsigned LEB128 number of up to 32 bits. */
function readNumber(
  bytes: Buffer,
  at: number,
): { readonly value: number; readonly next: number } | undefined {
  let value = 0
  for (let index = 0; index < 5; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return { value, next: at + index + 1 }
  }
  return undefined
}
