import { Fields, readExactly } from '../executables/fields.ts'
import { locateAddress } from '../executables/read-executables.ts'
import { MalformedExecutable, type Executable, type Segment } from '../executables/types.ts'
import type { FileContent } from '../types.ts'

/** What the linker wrote into a Go binary (Go's `runtime/debug.BuildInfo`). */
export interface BuildInfo {
  /** `go1.22.3`, or what a Go that is no release calls itself. */
  readonly goVersion: string
  /** Lines `path`, `mod`, `dep`, `=>` and `build`; empty where the program was built without modules. */
  readonly modules: string
}

interface Place {
  readonly offset: number
  readonly sizeBytes: number
}

const goSections: readonly string[] = [
  '.go.buildinfo',
  '__go_buildinfo',
  '.note.go.buildid',
  '.gopclntab',
  '__gopclntab',
]
const magic = Buffer.from('\xff Go buildinf:', 'latin1')
const alignment = 16
const headerBytes = 32
/** Real ones have some tens of kilobytes. */
const maximumTextBytes = 4 * 1024 * 1024
const sentinelBytes = 16
/** The block stands at the beginning of the data; Go's own reader looks through all of it. */
const maximumSearchedBytes = 64 * 1024 * 1024
const stepBytes = 1024 * 1024
const bigEndianFlag = 1
const inlineFlag = 2
const newline = 0x0a

/**
 * The build information of a program, as Go's `debug/buildinfo` finds it: a block of 32 bytes in a section of its
 * own, or, where there is no such section, somewhere in the data. Undefined where there is none. Throws
 * MalformedExecutable for one that cannot be read.
 */
export function readBuildInfo(file: FileContent, executable: Executable): BuildInfo | undefined {
  const place = findBlock(file, executable)
  if (place === undefined) return undefined
  const header = readExactly(file, place.offset, headerBytes)
  const isInline = ((header[15] as number) & inlineFlag) !== 0
  return isInline ? readInline(file, place) : readByPointers(file, executable, header)
}

function findBlock(file: FileContent, executable: Executable): Place | undefined {
  const own = executable.sections.filter(({ name }) => name === '.go.buildinfo' || name === '__go_buildinfo')
  for (const section of own) {
    if (readExactly(file, section.offset, Math.min(magic.length, section.sizeBytes)).equals(magic))
      return section
  }
  return mayHideBlock(executable) ? searchData(file, executable) : undefined
}

/** PE files never have a section for it; others lose it only with all their sections, or to a linker other than Go's. */
function mayHideBlock(executable: Executable): boolean {
  return executable.format === 'pe' || executable.sections.length === 0 || hasGoSection(executable)
}

/** True for a program with a section that only Go's linker makes; such sections stay where symbols are stripped. */
export function hasGoSection({ sections }: Executable): boolean {
  return sections.some(({ name }) => goSections.includes(name))
}

/** Segments that lie on top of each other, many times the file, are not searched over and over. */
function searchData(file: FileContent, { segments }: Executable): Place | undefined {
  let budget = maximumSearchedBytes
  for (const segment of segments) {
    if (!segment.isData) continue
    const end = Math.min(file.sizeBytes, segment.offset + Math.min(segment.sizeBytes, budget))
    const found = searchBlock(file, segment, end)
    if (found !== undefined) return found
    budget -= Math.max(0, end - segment.offset)
  }
  return undefined
}

/** Blocks are aligned in memory, not in the file. */
function searchBlock(
  file: FileContent,
  { address, offset, sizeBytes }: Segment,
  end: number,
): Place | undefined {
  for (let at = offset; at < end; at += stepBytes) {
    const window = file.read(at, Math.min(stepBytes + headerBytes, end - at))
    for (let found = window.indexOf(magic); found >= 0; found = window.indexOf(magic, found + 1)) {
      const into = at + found - offset
      if ((address + into) % alignment === 0) return { offset: offset + into, sizeBytes: sizeBytes - into }
    }
  }
  return undefined
}

/** Since Go 1.18 both texts stand behind the header, each with its length in front. */
function readInline(file: FileContent, place: Place): BuildInfo {
  const end = Math.min(file.sizeBytes, place.offset + place.sizeBytes)
  const version = readCounted(file, place.offset + headerBytes, end)
  const modules = readCounted(file, version.end, end)
  return toBuildInfo(version.bytes, modules.bytes)
}

function readCounted(file: FileContent, at: number, end: number): { bytes: Buffer; end: number } {
  const { value, length } = readVarint(Buffer.from(file.read(at, Math.max(0, Math.min(5, end - at)))))
  const from = at + length
  if (value > maximumTextBytes) throw new MalformedExecutable('its Go build information is too long')
  if (from + value > end) throw new MalformedExecutable('its Go build information is cut off')
  return { bytes: readExactly(file, from, value), end: from + value }
}

/** Go's `encoding/binary`: seven bits a byte, the lowest first. */
function readVarint(head: Buffer): { value: number; length: number } {
  let value = 0
  for (const [index, byte] of head.entries()) {
    value += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return { value, length: index + 1 }
  }
  throw new MalformedExecutable('its Go build information is cut off')
}

/** From Go 1.13 to 1.17 the header points to two Go strings: an address and a length each. */
function readByPointers(file: FileContent, executable: Executable, header: Buffer): BuildInfo {
  const addressBytes = header[14] as number
  if (addressBytes !== 4 && addressBytes !== 8) {
    throw new MalformedExecutable(`its Go build information has addresses of ${addressBytes} bytes`)
  }
  const fields = new Fields(header, ((header[15] as number) & bigEndianFlag) !== 0)
  const readAt = (at: number): Buffer => {
    const pointed = readPointed(file, executable, fields.address(at, addressBytes), 2 * addressBytes)
    const words = new Fields(pointed, fields.isBigEndian)
    const length = words.address(addressBytes, addressBytes)
    return readPointed(file, executable, words.address(0, addressBytes), length)
  }
  return toBuildInfo(readAt(16), readAt(16 + addressBytes))
}

function readPointed(file: FileContent, executable: Executable, address: number, length: number): Buffer {
  if (length === 0) return Buffer.alloc(0)
  if (length > maximumTextBytes) throw new MalformedExecutable('its Go build information is too long')
  const place = locateAddress(executable, address)
  if (place === undefined || place.sizeBytes < length) {
    throw new MalformedExecutable('its Go build information points to what is not in the file')
  }
  return readExactly(file, place.offset, length)
}

/** Go puts 16 bytes before and after the list, by which a running program finds it. */
function toBuildInfo(goVersion: Buffer, modules: Buffer): BuildInfo {
  const isFramed = modules.length > 2 * sentinelBytes && modules.at(-sentinelBytes - 1) === newline
  return {
    goVersion: goVersion.toString('utf8'),
    modules: isFramed ? modules.toString('utf8', sentinelBytes, modules.length - sentinelBytes) : '',
  }
}
