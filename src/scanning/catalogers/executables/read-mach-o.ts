import type { FileContent } from '../types.ts'
import { Fields, readExactly } from './fields.ts'
import { MalformedExecutable, type Executable, type Section, type Segment } from './types.ts'

const thinMagics: readonly number[] = [0xfeedface, 0xfeedfacf, 0xcefaedfe, 0xcffaedfe]
const fatMagic = 0xcafebabe
const wideFatMagic = 0xcafebabf
/** Java classes begin with the same magic, and then with a version of at least 45. */
const maximumArchitectures = 10
const maximumCommandBytes = 1024 * 1024
const maximumCommands = 5_000
const maximumSections = 10_000
const segmentCommand = 0x1
const wideSegmentCommand = 0x19
const readWrite = 3
const protectionBits = 7

export function isMachO(head: Buffer): boolean {
  if (head.length < 8) return false
  const magic = head.readUInt32BE(0)
  if (magic !== fatMagic && magic !== wideFatMagic) return thinMagics.includes(magic)
  return head.readUInt32BE(4) > 0 && head.readUInt32BE(4) <= maximumArchitectures
}

/** The program of each architecture in a Mach-O file (Apple's `mach-o/loader.h`, `fat.h`). Throws MalformedExecutable. */
export function readMachO(file: FileContent): Executable[] {
  const head = new Fields(readExactly(file, 0, 8), true)
  const magic = head.uint32(0)
  if (magic !== fatMagic && magic !== wideFatMagic) return [readThin(file, 0, file.sizeBytes)]
  const entryBytes = magic === fatMagic ? 20 : 32
  const step = magic === fatMagic ? 4 : 8
  const table = new Fields(readExactly(file, 8, head.uint32(4) * entryBytes), true)
  return Array.from({ length: head.uint32(4) }, (_, index) => {
    const entry = table.part(index * entryBytes, entryBytes)
    return readThin(file, entry.address(8, step), entry.address(8 + step, step))
  })
}

function readThin(file: FileContent, from: number, sizeBytes: number): Executable {
  const magicBytes = readExactly(file, from, 4)
  const isBigEndian = magicBytes[0] === 0xfe
  const magic = isBigEndian ? magicBytes.readUInt32BE(0) : magicBytes.readUInt32LE(0)
  if (magic !== 0xfeedface && magic !== 0xfeedfacf) {
    throw new MalformedExecutable('an architecture of it is no Mach-O')
  }
  const headerBytes = magic === 0xfeedfacf ? 32 : 28
  const header = new Fields(readExactly(file, from, headerBytes), isBigEndian)
  const commandBytes = header.uint32(20)
  if (commandBytes > maximumCommandBytes || from + headerBytes + commandBytes > file.sizeBytes) {
    throw new MalformedExecutable('its load commands are too long')
  }
  const commands = new Fields(readExactly(file, from + headerBytes, commandBytes), isBigEndian)
  return readCommands(commands, header.uint32(16), { from, sizeBytes })
}

interface Slice {
  readonly from: number
  readonly sizeBytes: number
}

function readCommands(commands: Fields, count: number, slice: Slice): Executable {
  const sections: Section[] = []
  const segments: Segment[] = []
  if (count > maximumCommands) throw new MalformedExecutable(`it has ${count} load commands`)
  let at = 0
  for (let index = 0; index < count; index++) {
    const kind = commands.uint32(at)
    const length = commands.uint32(at + 4)
    if (length < 8) throw new MalformedExecutable('a load command of it has no length')
    const command = commands.part(at, length)
    if (kind === segmentCommand || kind === wideSegmentCommand) {
      readSegment(command, kind === wideSegmentCommand ? 8 : 4, slice, sections, segments)
    }
    at += length
  }
  return { format: 'mach-o', isBigEndian: commands.isBigEndian, sections, segments }
}

function readSegment(
  command: Fields,
  step: 4 | 8,
  { from, sizeBytes }: Slice,
  sections: Section[],
  segments: Segment[],
): void {
  const rest = 24 + 4 * step
  segments.push({
    address: command.address(24, step),
    offset: from + command.address(24 + 2 * step, step),
    sizeBytes: Math.min(sizeBytes, command.address(24 + 3 * step, step)),
    isData: (command.uint32(rest + 4) & protectionBits) === readWrite,
  })
  const count = command.uint32(rest + 8)
  if (sections.length + count > maximumSections) throw new MalformedExecutable('it has too many sections')
  const sectionBytes = step === 8 ? 80 : 68
  for (let index = 0; index < count; index++) {
    const entry = command.part(rest + 16 + index * sectionBytes, sectionBytes)
    sections.push({
      name: entry.text(0, 16),
      address: entry.address(32, step),
      sizeBytes: entry.address(32 + step, step),
      offset: from + entry.uint32(32 + 2 * step),
    })
  }
}
