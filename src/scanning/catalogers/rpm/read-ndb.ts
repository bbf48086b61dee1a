import { UnreadableDatabase, type BoundedFile } from './bounded-file.ts'

/*
 * rpm's own database format "ndb" (`Packages.db`), which SUSE uses. Numbers are little-endian, of four bytes.
 *
 * The file begins with `RpmP`, the version (0), a generation, and the number of pages of 4096 bytes that hold slots;
 * these pages are the first of the file. A slot has 16 bytes; the first two places are taken by the header. It is
 * `Slot`, the number of a package (0: the slot is free), and where its record lies: first block and number of
 * blocks, of 16 bytes each.
 *
 * A record is `BlbS`, the number of the package, a generation and the length of the header; the header; zeros up to
 * the end of the block; and as its last 12 bytes an Adler-32 sum, the length again, and `BlbE`. rpm does not look at
 * the sum when it reads, and neither do we.
 */

const pageBytes = 4096
const slotBytes = 16
const blockBytes = 16
const headBytes = 16
const tailBytes = 12
/** rpm's own limit. */
const maximumSlotPages = 2048

interface Slot {
  readonly package: number
  readonly firstBlock: number
  readonly blocks: number
}

export function isNdb(head: Buffer): boolean {
  return head.toString('latin1', 0, 4) === 'RpmP'
}

/** The header of each package. */
export function* readNdb(file: BoundedFile): Generator<Buffer> {
  for (const slot of readSlots(file)) yield readRecord(file, slot)
}

function* readSlots(file: BoundedFile): Generator<Slot> {
  const header = file.read(0, 2 * slotBytes)
  const [version, pages] = [header.readUInt32LE(4), header.readUInt32LE(12)]
  if (version !== 0) throw new UnreadableDatabase(`it is of version ${version}; 0 is known`)
  if (pages === 0 || pages > maximumSlotPages) throw new UnreadableDatabase(`it has ${pages} pages of slots`)
  for (let page = 0; page < pages; page++) {
    const slots = file.read(page * pageBytes, pageBytes)
    for (let at = page === 0 ? 2 * slotBytes : 0; at < pageBytes; at += slotBytes) {
      expectWord(slots, at, 'Slot')
      const slot = {
        package: slots.readUInt32LE(at + 4),
        firstBlock: slots.readUInt32LE(at + 8),
        blocks: slots.readUInt32LE(at + 12),
      }
      if (slot.package !== 0) yield slot
    }
  }
}

function readRecord(file: BoundedFile, slot: Slot): Buffer {
  file.expectRecord(slot.blocks * blockBytes)
  const record = file.read(slot.firstBlock * blockBytes, slot.blocks * blockBytes)
  if (record.length < headBytes + tailBytes) throw new UnreadableDatabase('a record is too short')
  const tailAt = record.length - tailBytes
  expectWord(record, 0, 'BlbS')
  expectWord(record, tailAt + 8, 'BlbE')
  const length = record.readUInt32LE(12)
  if (record.readUInt32LE(4) !== slot.package || length !== record.readUInt32LE(tailAt + 4)) {
    throw new UnreadableDatabase(`the record of package ${slot.package} is damaged`)
  }
  if (headBytes + length > tailAt) throw new UnreadableDatabase('a record is longer than its blocks')
  return record.subarray(headBytes, headBytes + length)
}

function expectWord(bytes: Buffer, at: number, word: string): void {
  const found = bytes.toString('latin1', at, at + word.length)
  if (found !== word) throw new UnreadableDatabase(`it has no ${word} where one should be`)
}
