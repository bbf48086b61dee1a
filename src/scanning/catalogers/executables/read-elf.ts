import type { FileContent } from '../types.ts'
import { Fields, readExactly } from './fields.ts'
import { MalformedExecutable, type Executable, type Section, type Segment } from './types.ts'

/** Where a header of the 32-bit and of the 64-bit form has its fields (System V ABI, "Object Files"). */
interface Layout {
  readonly addressBytes: 4 | 8
  readonly headerBytes: number
  readonly programHeaders: number
  readonly sectionHeaders: number
  readonly counts: number
  readonly section: { readonly bytes: number; readonly address: number; readonly link: number }
  readonly segment: { readonly bytes: number; readonly flags: number; readonly offset: number }
}

const narrow: Layout = {
  addressBytes: 4,
  headerBytes: 52,
  programHeaders: 28,
  sectionHeaders: 32,
  counts: 42,
  section: { bytes: 40, address: 12, link: 24 },
  segment: { bytes: 32, flags: 24, offset: 4 },
}
const wide: Layout = {
  addressBytes: 8,
  headerBytes: 64,
  programHeaders: 32,
  sectionHeaders: 40,
  counts: 54,
  section: { bytes: 64, address: 16, link: 40 },
  segment: { bytes: 56, flags: 4, offset: 8 },
}

/** Object files have a section for each function. */
const maximumEntries = 100_000
const maximumNamesBytes = 16 * 1024 * 1024
const maximumNameBytes = 200
const sectionWithoutBytes = 8
const loadedSegment = 1
const executableFlag = 1
const writableFlag = 2
/** `SHN_XINDEX`: the number does not fit, and stands in the first section header. */
const elsewhere = 0xffff

export function isElf(head: Buffer): boolean {
  return head.length >= 4 && head.readUInt32BE(0) === 0x7f454c46
}

/** Sections and loaded segments of an ELF file. Throws MalformedExecutable. */
export function readElf(file: FileContent): Executable {
  const identification = readExactly(file, 0, 16)
  const [, , , , width, order] = identification
  if ((width !== 1 && width !== 2) || (order !== 1 && order !== 2)) {
    throw new MalformedExecutable('its ELF header is of no known kind')
  }
  const layout = width === 1 ? narrow : wide
  const isBigEndian = order === 2
  const header = new Fields(readExactly(file, 0, layout.headerBytes), isBigEndian)
  return {
    format: 'elf',
    isBigEndian,
    sections: readSections(file, header, layout),
    segments: readSegments(file, header, layout),
  }
}

function readSegments(file: FileContent, header: Fields, layout: Layout): Segment[] {
  const at = header.address(layout.programHeaders, layout.addressBytes)
  const entryBytes = header.uint16(layout.counts)
  const count = header.uint16(layout.counts + 2)
  const { bytes, flags, offset } = layout.segment
  const step = layout.addressBytes
  return readTable(file, header, at, entryBytes, count, bytes)
    .filter((entry) => entry.uint32(0) === loadedSegment)
    .map((entry) => ({
      offset: entry.address(offset, step),
      address: entry.address(offset + step, step),
      sizeBytes: entry.address(offset + 3 * step, step),
      isData: (entry.uint32(flags) & (writableFlag | executableFlag)) === writableFlag,
    }))
}

function readSections(file: FileContent, header: Fields, layout: Layout): Section[] {
  const at = header.address(layout.sectionHeaders, layout.addressBytes)
  if (at === 0) return []
  const entryBytes = header.uint16(layout.counts + 4)
  const [first] = readTable(file, header, at, entryBytes, 1, layout.section.bytes)
  if (first === undefined) return []
  const { address, link } = layout.section
  const size = address + 2 * layout.addressBytes
  const count = header.uint16(layout.counts + 6) || first.address(size, layout.addressBytes)
  const table = readTable(file, header, at, entryBytes, count, layout.section.bytes)
  const namesIndex = header.uint16(layout.counts + 8)
  const names = table[namesIndex === elsewhere ? first.uint32(link) : namesIndex]
  const sections = table.map((entry) => readSection(entry, layout))
  const namesSection = names && readSection(names, layout)
  if (namesSection === undefined) return sections.map(({ section }) => section)
  if (namesSection.section.sizeBytes > maximumNamesBytes) {
    throw new MalformedExecutable('the names of its sections are too long')
  }
  const texts = new Fields(
    readExactly(file, namesSection.section.offset, namesSection.section.sizeBytes),
    header.isBigEndian,
  )
  return sections.map(({ section, name }) => ({ ...section, name: texts.text(name, maximumNameBytes) }))
}

function readSection(entry: Fields, layout: Layout): { section: Section; name: number } {
  const step = layout.addressBytes
  const at = layout.section.address
  const hasBytes = entry.uint32(4) !== sectionWithoutBytes
  const section = {
    name: '',
    address: entry.address(at, step),
    offset: entry.address(at + step, step),
    sizeBytes: hasBytes ? entry.address(at + 2 * step, step) : 0,
  }
  return { section, name: entry.uint32(0) }
}

function readTable(
  file: FileContent,
  header: Fields,
  at: number,
  entryBytes: number,
  count: number,
  leastBytes: number,
): Fields[] {
  if (count === 0) return []
  if (count > maximumEntries) throw new MalformedExecutable(`a table of it has ${count} entries`)
  if (entryBytes < leastBytes || entryBytes > 256) {
    throw new MalformedExecutable(`the entries of a table of it have ${entryBytes} bytes`)
  }
  const table = new Fields(readExactly(file, at, entryBytes * count), header.isBigEndian)
  return Array.from({ length: count }, (_, index) => table.part(index * entryBytes, entryBytes))
}
