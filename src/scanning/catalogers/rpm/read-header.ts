import { UnreadableDatabase } from './bounded-file.ts'

/*
 * The header of an installed package, as rpm's databases keep it (rpm's manual, "Package format", without the magic
 * that a header in a package file begins with): the number of index entries and the length of the data, of four
 * bytes each; the entries, of 16 bytes: tag, type, offset in the data and count; and the data. Numbers are
 * big-endian, texts end with a zero byte.
 */

const prefixBytes = 8
const entryBytes = 16
/** rpm's own limit. */
const maximumEntries = 0xffff
/** More files than any package has. */
const maximumListed = 500_000
/** Longer names are cut; nobody's are. */
const maximumTextBytes = 1024

const tags = {
  name: 1000,
  version: 1001,
  release: 1002,
  epoch: 1003,
  vendor: 1011,
  architecture: 1022,
  sourcePackage: 1044,
  folderIndexes: 1116,
  baseNames: 1117,
  folderNames: 1118,
  moduleLabel: 5096,
} as const

const types = { int32: 4, text: 6, textList: 8, translatedText: 9 } as const

/** What a header says of its package; absent where it says nothing. */
export interface RpmHeader {
  readonly name?: string
  readonly version?: string
  readonly release?: string
  readonly epoch?: number
  readonly vendor?: string
  readonly architecture?: string
  /** File name of the source package, `bash-5.1.8-6.el9.src.rpm`. */
  readonly sourcePackage?: string
  readonly moduleLabel?: string
  /** A file is the base name at the same place as the index of its folder. */
  readonly baseNames: readonly string[]
  readonly folderIndexes: readonly number[]
  readonly folderNames: readonly string[]
}

interface Entry {
  readonly type: number
  readonly offset: number
  readonly count: number
}

interface Header {
  readonly entries: ReadonlyMap<number, Entry>
  readonly data: Buffer
}

/** Reads a header. Throws UnreadableDatabase for what is none. */
export function readHeader(bytes: Buffer): RpmHeader {
  const header = openHeader(bytes)
  const epoch = readNumbers(header, tags.epoch)[0]
  return {
    ...textField(header, 'name'),
    ...textField(header, 'version'),
    ...textField(header, 'release'),
    ...(epoch === undefined ? {} : { epoch }),
    ...textField(header, 'vendor'),
    ...textField(header, 'architecture'),
    ...textField(header, 'sourcePackage'),
    ...textField(header, 'moduleLabel'),
    baseNames: readTexts(header, tags.baseNames),
    folderIndexes: readNumbers(header, tags.folderIndexes),
    folderNames: readTexts(header, tags.folderNames),
  }
}

function openHeader(bytes: Buffer): Header {
  if (bytes.length < prefixBytes) throw new UnreadableDatabase('a header is cut off')
  const [count, length] = [bytes.readUInt32BE(0), bytes.readUInt32BE(4)]
  const dataAt = prefixBytes + count * entryBytes
  if (count > maximumEntries || dataAt + length > bytes.length) {
    throw new UnreadableDatabase('a header is cut off')
  }
  const entries = new Map<number, Entry>()
  for (let at = prefixBytes; at < dataAt; at += entryBytes) {
    // What was added when the package was installed comes last, and replaces what the package says.
    entries.set(bytes.readUInt32BE(at), {
      type: bytes.readUInt32BE(at + 4),
      offset: bytes.readUInt32BE(at + 8),
      count: bytes.readUInt32BE(at + 12),
    })
  }
  return { entries, data: bytes.subarray(dataAt, dataAt + length) }
}

function textField<Field extends keyof typeof tags>(
  header: Header,
  field: Field,
): { [Key in Field]?: string } {
  const entry = findEntry(header, tags[field], [types.text, types.translatedText])
  if (entry === undefined) return {}
  const { offset } = entry
  const end = endOfText(header, tags[field], offset)
  const text = header.data.toString('utf8', offset, Math.min(end, offset + maximumTextBytes))
  return { [field]: text } as { [Key in Field]?: string }
}

function readTexts(header: Header, tag: number): string[] {
  const entry = findEntry(header, tag, [types.textList])
  const texts: string[] = []
  for (let at = entry?.offset ?? 0; texts.length < (entry?.count ?? 0);) {
    const end = endOfText(header, tag, at)
    texts.push(header.data.toString('utf8', at, end))
    at = end + 1
  }
  return texts
}

function endOfText({ data }: Header, tag: number, at: number): number {
  const end = at < data.length ? data.indexOf(0, at) : -1
  if (end < 0) throw new UnreadableDatabase(`the text of tag ${tag} is cut off`)
  return end
}

function readNumbers(header: Header, tag: number): number[] {
  const entry = findEntry(header, tag, [types.int32])
  if (entry === undefined) return []
  const { data } = header
  const { offset, count } = entry
  if (offset + count * 4 > data.length) throw new UnreadableDatabase(`the numbers of tag ${tag} are cut off`)
  return Array.from({ length: count }, (_, index) => data.readUInt32BE(offset + index * 4))
}

/** The entry of a tag. Throws UnreadableDatabase for one of another type, or of more than is ever listed. */
function findEntry({ entries }: Header, tag: number, allowed: readonly number[]): Entry | undefined {
  const entry = entries.get(tag)
  if (entry === undefined) return undefined
  if (!allowed.includes(entry.type)) throw new UnreadableDatabase(`tag ${tag} is of type ${entry.type}`)
  if (entry.count > maximumListed) throw new UnreadableDatabase(`tag ${tag} lists ${entry.count} things`)
  return entry
}
