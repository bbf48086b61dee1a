import { UnreadableDatabase, type BoundedFile } from './bounded-file.ts'

/*
 * Berkeley DB's hash tables (versions 8 to 10 of the format), which rpm used up to 4.15, in the byte order of the
 * machine that wrote them.
 *
 * Page 0 tells of the table: at 12 a magic, which shows the byte order; at 16 the version; at 20 the page size; at
 * 24 how pages are encrypted (0: not); at 26 flags (1: pages carry checksums); at 32 the number of the last page.
 *
 * Every page begins with 26 bytes: at 8 its number, at 16 the next page of its chain, at 20 the number of items, at
 * 22 an offset, and at 25 its type. A page of a hash bucket (types 2 and 13) goes on with the offset of each item;
 * items fill the page from its end, keys and values in turn. An item begins with its kind: 1, its bytes follow; 3,
 * at 4 the first page and at 8 the length of what lies on a chain of overflow pages (type 7), whose bytes begin
 * after the page header and of which each page has as many as its offset says.
 *
 * Buckets are not followed: every page of a bucket is one of the file, and a page that was freed has another type.
 *
 * The key is the number of a package; under the number 0 rpm keeps the highest that it has given.
 */

const hashMagic = 0x061561
const metaBytes = 72
const pageHeaderBytes = 26
const bucketPages: readonly number[] = [2, 13]
const overflowPage = 7
const inPlace = 1
const onOverflow = 3
const overflowItemBytes = 12

interface Database {
  readonly file: BoundedFile
  readonly isBigEndian: boolean
  readonly pageBytes: number
  readonly lastPage: number
}

interface Page {
  readonly bytes: Buffer
  readonly next: number
  readonly items: number
  readonly offset: number
  readonly type: number
}

export function isBerkeley(head: Buffer): boolean {
  return head.length >= 16 && (head.readUInt32LE(12) === hashMagic || head.readUInt32BE(12) === hashMagic)
}

/** The header of each package. */
export function* readBerkeley(file: BoundedFile): Generator<Buffer> {
  const database = openDatabase(file)
  for (let number = 1; number <= database.lastPage; number++) {
    const type = file.read(number * database.pageBytes + 25, 1).readUInt8(0)
    if (bucketPages.includes(type)) yield* readBucket(database, readPage(database, number))
  }
}

function openDatabase(file: BoundedFile): Database {
  const meta = file.read(0, metaBytes)
  const isBigEndian = meta.readUInt32BE(12) === hashMagic
  const [version, pageBytes, lastPage] = [16, 20, 32].map((at) => readWord(meta, at, isBigEndian)) as [
    number,
    number,
    number,
  ]
  if (version < 8 || version > 10)
    throw new UnreadableDatabase(`it is of version ${version}; 8 to 10 are known`)
  if (pageBytes < 512 || pageBytes > 65_536 || (pageBytes & (pageBytes - 1)) !== 0) {
    throw new UnreadableDatabase(`its pages have ${pageBytes} bytes`)
  }
  if (meta.readUInt8(24) !== 0) throw new UnreadableDatabase('it is encrypted')
  if ((meta.readUInt8(26) & 1) !== 0) throw new UnreadableDatabase('its pages carry checksums')
  return { file, isBigEndian, pageBytes, lastPage }
}

function* readBucket(database: Database, page: Page): Generator<Buffer> {
  const items = listItems(database, page)
  for (let index = 0; index + 1 < items.length; index += 2) {
    // What follows the kind of a key is its number.
    const isCounter = (items[index] as Buffer).subarray(1).every((byte) => byte === 0)
    if (!isCounter) yield readItem(database, items[index + 1] as Buffer)
  }
}

/** Each item ends where the one before it begins. */
function listItems({ isBigEndian }: Database, { bytes, items: count }: Page): Buffer[] {
  const firstByte = pageHeaderBytes + count * 2
  const items: Buffer[] = []
  let end = bytes.length
  for (let index = 0; index < count; index++) {
    const start = firstByte > end ? -1 : readHalf(bytes, pageHeaderBytes + index * 2, isBigEndian)
    if (start < firstByte || start >= end)
      throw new UnreadableDatabase('the items of a page lie on top of each other')
    items.push(bytes.subarray(start, end))
    end = start
  }
  return items
}

function readItem(database: Database, item: Buffer): Buffer {
  const kind = item.readUInt8(0)
  if (kind === inPlace) {
    database.file.expectRecord(item.length)
    return item.subarray(1)
  }
  if (kind !== onOverflow || item.length !== overflowItemBytes) {
    throw new UnreadableDatabase(`it has an item of kind ${kind}`)
  }
  const length = readWord(item, 8, database.isBigEndian)
  database.file.expectRecord(length)
  return Buffer.concat(readOverflow(database, readWord(item, 4, database.isBigEndian), length))
}

function readOverflow(database: Database, first: number, length: number): Buffer[] {
  const parts: Buffer[] = []
  let [next, left] = [first, length]
  while (left > 0) {
    const page = readPage(database, next)
    const part = page.bytes.subarray(pageHeaderBytes, pageHeaderBytes + page.offset)
    if (page.type !== overflowPage || part.length === 0 || part.length > left) {
      throw new UnreadableDatabase(`page ${next} does not go on with a record`)
    }
    parts.push(part)
    left -= part.length
    next = page.next
  }
  return parts
}

function readPage({ file, isBigEndian, pageBytes }: Database, number: number): Page {
  const bytes = file.read(number * pageBytes, pageBytes)
  if (readWord(bytes, 8, isBigEndian) !== number)
    throw new UnreadableDatabase(`page ${number} has another number`)
  return {
    bytes,
    next: readWord(bytes, 16, isBigEndian),
    items: readHalf(bytes, 20, isBigEndian),
    offset: readHalf(bytes, 22, isBigEndian),
    type: bytes.readUInt8(25),
  }
}

function readWord(bytes: Buffer, at: number, isBigEndian: boolean): number {
  return isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)
}

function readHalf(bytes: Buffer, at: number, isBigEndian: boolean): number {
  return isBigEndian ? bytes.readUInt16BE(at) : bytes.readUInt16LE(at)
}
