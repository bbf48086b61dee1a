import { ByteSource } from './byte-source.ts'

const blockBytes = 512
/** Of a long name or of pax records; as much as Go's archive/tar takes, with which runtimes unpack. */
const maximumRecordBytes = 1024 * 1024

/** What stands in a tar. Content can be read until the next entry is asked for. */
export interface TarEntry {
  readonly name: string
  readonly type: 'file' | 'directory' | 'link' | 'symlink' | 'other'
  /** Of a link. */
  readonly target: string
  readonly sizeBytes: number
  /** The first bytes of the content, which stay to be read. */
  head(length: number): Promise<Buffer>
  content(): AsyncGenerator<Buffer, void>
}

/** What a block before an entry says in the place of the entry's own header. */
interface Override {
  readonly name?: string
  readonly target?: string
  readonly size?: number
}

/**
 * Reads a tar as a stream, exactly as the tools read it that unpack layers, so that nothing is seen which they
 * do not see and nothing is missed which they do: two empty blocks end it, links and devices have no content
 * whatever size they claim, and global pax records count for nothing. Throws for what is no tar.
 */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry, void> {
  const bytes = new ByteSource(source)
  let pax: Override = {}
  let gnu: Override = {}
  for (;;) {
    const header = await readHeader(bytes)
    if (header === undefined) return bytes.drain()
    const { type, size } = header
    if (type === 'x' || type === 'g' || type === 'L' || type === 'K') {
      const record = await bytes.take(atMost(size, maximumRecordBytes))
      if (record.length < size) throw new Error('it is cut off')
      await bytes.take(padding(size))
      if (type === 'x') pax = readPax(record)
      else if (type === 'L') gnu = { ...gnu, name: textOf(record) }
      else if (type === 'K') gnu = { ...gnu, target: textOf(record) }
      else [pax, gnu] = [{}, {}]
      continue
    }
    if (type === 'S') throw new Error('it holds a sparse file')
    const [entry, rest] = open(bytes, { ...header, ...pax, ...gnu })
    ;[pax, gnu] = [{}, {}]
    yield entry
    await rest()
  }
}

interface Header extends Required<Override> {
  readonly type: string
}

/** The next header; undefined at the end. */
async function readHeader(bytes: ByteSource): Promise<Header | undefined> {
  const block = await bytes.take(blockBytes)
  if (block.length === 0) return undefined
  if (block.length < blockBytes) throw new Error('it is cut off')
  if (isEmpty(block)) {
    const next = await bytes.take(blockBytes)
    if (isEmpty(next)) return undefined
    throw new Error('an empty block stands in the middle')
  }
  checkSum(block)
  const name = textOf(block.subarray(0, 100))
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0'
  const prefix = isUstar ? textOf(block.subarray(345, 500)) : ''
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: String.fromCharCode(block[156] as number),
    target: textOf(block.subarray(157, 257)),
    size: readNumber(block.subarray(124, 136)),
  }
}

/** An entry, and what goes to the end of its content. */
function open(bytes: ByteSource, { name, type, target, size }: Header): [TarEntry, () => Promise<void>] {
  const kind = kindOf(type, name)
  // Go's archive/tar: these never have content, whatever the header says.
  const sizeBytes = '123456'.includes(type) || kind === 'directory' ? 0 : size
  let left = sizeBytes
  async function* content(): AsyncGenerator<Buffer, void> {
    while (left > 0) {
      const some = await bytes.some(left)
      left -= some.length
      yield some
    }
  }
  const head = (length: number): Promise<Buffer> => bytes.peek(Math.min(length, left))
  const rest = async (): Promise<void> => {
    await bytes.skip(left)
    // The last one may lack it.
    await bytes.take(padding(sizeBytes))
  }
  return [{ name, type: kind, target, sizeBytes, head, content }, rest]
}

function kindOf(type: string, name: string): TarEntry['type'] {
  switch (type) {
    case '\0':
      return name.endsWith('/') ? 'directory' : 'file'
    case '0':
    case '7':
      return 'file'
    case '1':
      return 'link'
    case '2':
      return 'symlink'
    case '5':
      return 'directory'
    default:
      return 'other'
  }
}

/** Records of `LENGTH KEY=VALUE\n` (POSIX, "pax Extended Header"). */
function readPax(record: Buffer): Override {
  const found: { name?: string; target?: string; size?: number } = {}
  for (let at = 0; at < record.length;) {
    const space = record.indexOf(0x20, at)
    const digits = space < 0 ? '' : record.toString('latin1', at, space)
    const end = at + Number(digits)
    const equals = record.indexOf(0x3d, space)
    if (!/^\d{1,8}$/.test(digits) || end > record.length || record[end - 1] !== 0x0a || equals >= end) {
      throw new Error('its pax records are none')
    }
    if (equals <= space) throw new Error('its pax records are none')
    const key = record.toString('utf8', space + 1, equals)
    const value = record.toString('utf8', equals + 1, end - 1)
    if (key.startsWith('GNU.sparse.')) throw new Error('it holds a sparse file')
    if ((key === 'path' || key === 'linkpath') && value.includes('\0'))
      throw new Error('a name in it is none')
    if (key === 'path') found.name = value
    if (key === 'linkpath') found.target = value
    if (key === 'size' && value !== '') found.size = readDecimal(value)
    at = end
  }
  // Go's archive/tar: without a value the header's own holds.
  if (found.name === '') delete found.name
  if (found.target === '') delete found.target
  return found
}

function readDecimal(text: string): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(value)) throw new Error('a size in it is none')
  return value
}

/** Octal text, or big-endian bytes where the first bit is set (GNU). */
function readNumber(field: Buffer): number {
  if (((field[0] as number) & 0x80) !== 0) {
    const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, (field[0] as number) & 0x7f)
    if (!Number.isSafeInteger(value)) throw new Error('a size in it is none')
    return value
  }
  const text = textOf(Buffer.from(field.toString('latin1').replace(/^[ \0]+/, ''))).trimEnd()
  if (!/^[0-7]{0,12}$/.test(text)) throw new Error('a size in it is none')
  return text === '' ? 0 : Number.parseInt(text, 8)
}

/** The checksum counts its own field as spaces; old tools took bytes for signed. */
function checkSum(block: Buffer): void {
  let unsigned = 8 * 0x20
  let high = 0
  for (let at = 0; at < blockBytes; at++) {
    if (at === 148) at = 156
    const byte = block[at] as number
    unsigned += byte
    if (byte > 127) high++
  }
  const said = readNumber(block.subarray(148, 156))
  if (said !== unsigned && said !== unsigned - 256 * high) throw new Error('a header in it is damaged')
}

function isEmpty(block: Buffer): boolean {
  return block.every((byte) => byte === 0)
}

function textOf(field: Buffer): string {
  const end = field.indexOf(0)
  return field.toString('utf8', 0, end < 0 ? field.length : end)
}

function padding(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes
}

function atMost(size: number, maximum: number): number {
  if (size > maximum) throw new Error(`a header in it has more than ${maximum} bytes`)
  return size
}
