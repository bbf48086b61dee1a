import type { FileContent } from '../types.ts'

/** A part of a module or component that is not code. */
export interface CustomSection {
  readonly name: string
  readonly content: Buffer
  /** In how many components the part of the file lies that it is about. */
  readonly depth: number
}

/** A file that is no WebAssembly, or is damaged. */
export class MalformedWasm extends Error {}

interface Stretch {
  readonly at: number
  readonly end: number
  readonly depth: number
}

const preambleBytes = 8
const customSection = 0
/** Sections of a component that hold a module, or a component, with a preamble of its own. */
const nestedSections: readonly number[] = [1, 4]
const maximumSections = 100_000
const maximumDepth = 32
const maximumNameBytes = 200
const maximumContentBytes = 8 * 1024 * 1024

export function isWasm(head: Buffer): boolean {
  return head.length >= preambleBytes && head.readUInt32BE(0) === 0x0061736d
}

/**
 * The custom sections with a wanted name, of a module or of a component and all that lies in it (WebAssembly Core
 * Specification, "Binary Format: Modules"; Component Model, `Binary.md`). Only they are read. Throws MalformedWasm.
 */
export function* readCustomSections(file: FileContent, wanted: readonly string[]): Generator<CustomSection> {
  const waiting: Stretch[] = [{ at: 0, end: file.sizeBytes, depth: 0 }]
  let count = 0
  for (let stretch = waiting.shift(); stretch !== undefined; stretch = waiting.shift()) {
    const isComponent = readLayer(file, stretch) === 1
    for (let at = stretch.at + preambleBytes; at < stretch.end;) {
      if (++count > maximumSections) throw new MalformedWasm('it has too many sections')
      const head = Buffer.from(file.read(at, 6))
      const size = readNumber(head, 1)
      const from = at + size.next
      at = from + size.value
      if (at > stretch.end) throw new MalformedWasm('it is cut off')
      if (head[0] === customSection) {
        const custom = readCustom(file, from, at, wanted)
        if (custom !== undefined) yield { ...custom, depth: stretch.depth }
      } else if (isComponent && nestedSections.includes(head[0] as number)) {
        if (stretch.depth === maximumDepth) throw new MalformedWasm('its components are nested too deeply')
        waiting.push({ at: from, end: at, depth: stretch.depth + 1 })
      }
    }
  }
}

/** 0 for a module, 1 for a component. */
function readLayer(file: FileContent, { at, end }: Stretch): number {
  const preamble = Buffer.from(file.read(at, Math.min(preambleBytes, end - at)))
  if (!isWasm(preamble)) throw new MalformedWasm('a part of it is no WebAssembly')
  return preamble.readUInt16LE(6)
}

function readCustom(
  file: FileContent,
  from: number,
  end: number,
  wanted: readonly string[],
): Omit<CustomSection, 'depth'> | undefined {
  const head = Buffer.from(file.read(from, Math.min(maximumNameBytes, end - from)))
  const { value, next } = readNumber(head, 0)
  const name = head.toString('utf8', next, next + value)
  if (next + value > head.length || !wanted.includes(name)) return undefined
  const sizeBytes = end - from - next - value
  if (sizeBytes > maximumContentBytes) throw new MalformedWasm(`its section ${name} is too long`)
  return { name, content: Buffer.from(file.read(end - sizeBytes, sizeBytes)) }
}

/** An unsigned LEB128 number of up to 32 bits. Throws MalformedWasm where there is none. */
export function readNumber(bytes: Buffer, at: number): { readonly value: number; readonly next: number } {
  let value = 0
  for (let index = 0; index < 5; index++) {
    const byte = bytes[at + index]
    if (byte === undefined) break
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return { value, next: at + index + 1 }
  }
  throw new MalformedWasm('a number of it is cut off')
}

/** A text with its length in front. Throws MalformedWasm where it is cut off. */
export function readText(bytes: Buffer, at: number): { readonly text: string; readonly next: number } {
  const { value, next } = readNumber(bytes, at)
  if (next + value > bytes.length) throw new MalformedWasm('a text of it is cut off')
  return { text: bytes.toString('utf8', next, next + value), next: next + value }
}
