import { UnreadableDatabase, type BoundedFile } from './bounded-file.ts'

/*
 * SQLite's file format (sqlite.org/fileformat2.html), as much as a reader of one table needs. We read it ourselves
 * since the file comes from an image: no schema of it is run, and nothing but its pages is looked at.
 *
 * Page 1 begins with a header of 100 bytes: a magic; at 16 the page size (1 for 65536); at 20 how many bytes at the
 * end of each page are not used. Then it is the root of a b-tree, the schema: a row for each table with its type,
 * name, table, number of the root page and SQL. Pages count from 1, numbers are big-endian.
 *
 * A b-tree page begins with its type (5: inner page of a table, 13: leaf); at 3 the number of cells; at 8, of inner
 * pages only, the last child page. Then the offset of each cell. A cell of an inner page begins with a child page;
 * one of a leaf has the length of its record, its row id, and the record, of which what does not fit on the page
 * lies on a chain of overflow pages that each begin with the number of the next.
 *
 * A record is the length of its own header, a type for each column, and the columns.
 */

const magic = 'SQLite format 3\0'
const fileHeaderBytes = 100
const innerPage = 5
const leafPage = 13
/** SQLite's own limit of a b-tree's depth. */
const maximumDepth = 20
/** Of rpm's databases the longest row, of an index, has some hundreds of bytes. */
const maximumSchemaRowBytes = 64 * 1024

interface Database {
  readonly file: BoundedFile
  readonly pageBytes: number
  /** Bytes of a page that are used. */
  readonly usableBytes: number
}

/** A column of a record, as its type says: bytes, text as bytes, or a whole number. */
interface Column {
  readonly type: number
  readonly bytes: Buffer
}

export function isSqlite(head: Buffer): boolean {
  return head.toString('latin1', 0, magic.length) === magic
}

/** The header of each package in rpm's table `Packages`, of the columns `hnum` and `blob`. */
export function* readSqlite(file: BoundedFile): Generator<Buffer> {
  const database = openDatabase(file)
  for (const row of readTable(database, findTable(database, 'Packages'), 1)) {
    const blob = readColumns(row)[1]
    if (blob === undefined || !isBlob(blob.type)) throw new UnreadableDatabase('a row has no header')
    yield blob.bytes
  }
}

function openDatabase(file: BoundedFile): Database {
  const header = file.read(0, fileHeaderBytes)
  const size = header.readUInt16BE(16)
  const pageBytes = size === 1 ? 65_536 : size
  const usableBytes = pageBytes - header.readUInt8(20)
  if (pageBytes < 512 || (pageBytes & (pageBytes - 1)) !== 0 || usableBytes < 480) {
    throw new UnreadableDatabase(`its pages have ${pageBytes} bytes`)
  }
  return { file, pageBytes, usableBytes }
}

function findTable(database: Database, name: string): number {
  for (const row of readTable(database, 1, 1)) {
    if (row.length > maximumSchemaRowBytes) continue
    const [type, own, , root] = readColumns(row)
    if (type?.bytes.toString() !== 'table' || own?.bytes.toString() !== name || root === undefined) continue
    if (root.bytes.length > 0 && root.bytes.length <= 6) return root.bytes.readUIntBE(0, root.bytes.length)
  }
  throw new UnreadableDatabase(`it has no table ${name}`)
}

/** The records of a table, below one of its pages. */
function* readTable(database: Database, number: number, depth: number): Generator<Buffer> {
  if (depth > maximumDepth) throw new UnreadableDatabase('its pages lead in circles')
  const page = readPage(database, number)
  const start = number === 1 ? fileHeaderBytes : 0
  const type = page.readUInt8(start)
  if (type !== innerPage && type !== leafPage) throw new UnreadableDatabase(`page ${number} is of no table`)
  const cells = start + (type === innerPage ? 12 : 8)
  const count = page.readUInt16BE(start + 3)
  if (cells + count * 2 > page.length) throw new UnreadableDatabase(`page ${number} has ${count} cells`)
  for (let index = 0; index < count; index++) {
    const cell = page.readUInt16BE(cells + index * 2)
    if (cell + 4 > page.length) throw new UnreadableDatabase(`page ${number} has a cell outside`)
    if (type === leafPage) yield readRecord(database, page, cell)
    else yield* readTable(database, page.readUInt32BE(cell), depth + 1)
  }
  if (type === innerPage) yield* readTable(database, page.readUInt32BE(start + 8), depth + 1)
}

function readPage({ file, pageBytes, usableBytes }: Database, number: number): Buffer {
  return file.read((number - 1) * pageBytes, pageBytes).subarray(0, usableBytes)
}

function readRecord(database: Database, page: Buffer, cell: number): Buffer {
  const length = readNumber(page, cell)
  const rowId = readNumber(page, length.end)
  database.file.expectRecord(length.value)
  const local = localBytes(length.value, database.usableBytes)
  if (rowId.end + local > page.length) throw new UnreadableDatabase('a record runs off its page')
  const start = page.subarray(rowId.end, rowId.end + local)
  if (local === length.value) return start
  if (rowId.end + local + 4 > page.length) throw new UnreadableDatabase('a record runs off its page')
  return Buffer.concat([
    start,
    ...readOverflow(database, page.readUInt32BE(rowId.end + local), length.value - local),
  ])
}

function readOverflow(database: Database, first: number, bytes: number): Buffer[] {
  const parts: Buffer[] = []
  let [next, left] = [first, bytes]
  while (left > 0) {
    const page = readPage(database, next)
    const part = page.subarray(4, 4 + Math.min(left, page.length - 4))
    parts.push(part)
    left -= part.length
    next = page.readUInt32BE(0)
  }
  return parts
}

/** How much of a record stands on its leaf page ("Cell payload overflow"). */
function localBytes(length: number, usable: number): number {
  const most = usable - 35
  if (length <= most) return length
  const least = Math.floor(((usable - 12) * 32) / 255) - 23
  const some = least + ((length - least) % (usable - 4))
  return some <= most ? some : least
}

function readColumns(record: Buffer): Column[] {
  const header = readNumber(record, 0)
  const columns: Column[] = []
  let [at, bytesAt] = [header.end, header.value]
  while (at < header.value && columns.length < 8) {
    const type = readNumber(record, at)
    const end = bytesAt + bytesOf(type.value)
    if (end > record.length) throw new UnreadableDatabase('a column runs off its record')
    columns.push({ type: type.value, bytes: record.subarray(bytesAt, end) })
    at = type.end
    bytesAt = end
  }
  return columns
}

/** "Record format": numbers of 1 to 8 bytes, constants of none; from 12 on blobs and text of any length. */
function bytesOf(type: number): number {
  if (type >= 12) return (type - (isBlob(type) ? 12 : 13)) / 2
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0][type] as number
}

function isBlob(type: number): boolean {
  return type >= 12 && type % 2 === 0
}

/** A variable-length number: seven bits a byte as long as the highest is set; a ninth byte has all eight. */
function readNumber(bytes: Buffer, from: number): { readonly value: number; readonly end: number } {
  let value = 0
  for (let at = from; at < from + 9; at++) {
    const byte = bytes[at]
    if (byte === undefined) throw new UnreadableDatabase('a number is cut off')
    if (at === from + 8) return { value: value * 256 + byte, end: at + 1 }
    value = value * 128 + (byte & 0x7f)
    if (byte < 0x80) return { value, end: at + 1 }
  }
  throw new UnreadableDatabase('a number is cut off')
}
