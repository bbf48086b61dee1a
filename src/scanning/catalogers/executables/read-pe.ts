import type { FileContent } from '../types.ts'
import { Fields, readExactly } from './fields.ts'
import { MalformedExecutable, type Executable, type Section, type Segment } from './types.ts'

const headerAt = 0x3c
const signature = 0x00004550
const fileHeaderBytes = 24
const sectionBytes = 40
const maximumSections = 1_000
const narrowOptional = 0x10b
const wideOptional = 0x20b
const executableFlag = 0x20000000
const writableFlag = 0x80000000

/** True for what begins as a DOS program, as every PE file does; the file itself tells the rest. */
export function mayBePe(head: Buffer): boolean {
  return head.length >= 64 && head.readUInt16LE(0) === 0x5a4d && head.readUInt32LE(headerAt) < 0x10000
}

/** Sections of a PE file (PE Format, "Section Table"); undefined for another DOS program. Throws MalformedExecutable. */
export function readPe(file: FileContent): Executable | undefined {
  const at = new Fields(readExactly(file, 0, 64), false).uint32(headerAt)
  if (at + fileHeaderBytes > file.sizeBytes) return undefined
  const header = new Fields(readExactly(file, at, fileHeaderBytes), false)
  if (header.uint32(0) !== signature) return undefined
  const count = header.uint16(6)
  const optionalBytes = header.uint16(20)
  if (count > maximumSections) throw new MalformedExecutable(`it has ${count} sections`)
  const base = readImageBase(file, at + fileHeaderBytes, optionalBytes)
  const table = new Fields(
    readExactly(file, at + fileHeaderBytes + optionalBytes, count * sectionBytes),
    false,
  )
  const entries = Array.from({ length: count }, (_, index) =>
    readSection(table.part(index * sectionBytes, sectionBytes), base),
  )
  return {
    format: 'pe',
    isBigEndian: false,
    sections: entries.map(({ section }) => section),
    segments: entries.map(({ section, isData }): Segment => ({ ...section, isData })),
  }
}

/** Addresses of sections are relative to where the program is loaded; pointers in it are not. */
function readImageBase(file: FileContent, at: number, optionalBytes: number): number {
  if (optionalBytes < 32) return 0
  const optional = new Fields(readExactly(file, at, 32), false)
  const kind = optional.uint16(0)
  if (kind === wideOptional) return optional.uint64(24)
  return kind === narrowOptional ? optional.uint32(28) : 0
}

function readSection(entry: Fields, base: number): { section: Section; isData: boolean } {
  const flags = entry.uint32(36)
  return {
    section: {
      name: entry.text(0, 8),
      address: base + entry.uint32(12),
      offset: entry.uint32(20),
      // What is in the file is filled up to a multiple of 512 bytes.
      sizeBytes: Math.min(entry.uint32(16), entry.uint32(8) || entry.uint32(16)),
    },
    isData: (flags & writableFlag) !== 0 && (flags & executableFlag) === 0,
  }
}
