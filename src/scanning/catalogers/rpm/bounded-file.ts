import type { FileContent } from '../types.ts'

/** A file that is no database of its kind, or is damaged. */
export class UnreadableDatabase extends Error {}

/** A database reads its pages once or twice; beyond that it leads in circles. */
const readsOfEachByte = 4
const leastBudgetBytes = 1024 * 1024
/** More than any distribution has packages. */
const maximumRecords = 50_000
/** Largest header: those of kernels and TeX collections, with tens of thousands of files, have a few megabytes. */
const maximumRecordBytes = 32 * 1024 * 1024

/**
 * Random reads in a file that may be hostile: only inside it, and only in proportion to its size, so that pages
 * that point at each other and records that lie on top of each other come to an end.
 */
export class BoundedFile {
  readonly sizeBytes: number
  readonly #file: FileContent
  #budgetBytes: number
  #records = 0

  constructor(file: FileContent) {
    this.#file = file
    this.sizeBytes = file.sizeBytes
    this.#budgetBytes = Math.max(leastBudgetBytes, file.sizeBytes * readsOfEachByte)
  }

  /** Exactly these bytes, to keep. Throws UnreadableDatabase where the file does not have them. */
  read(at: number, length: number): Buffer {
    if (at < 0 || length < 0 || at + length > this.sizeBytes) {
      throw new UnreadableDatabase(`it points to byte ${at + length} of ${this.sizeBytes}`)
    }
    this.#budgetBytes -= length
    if (this.#budgetBytes < 0) throw new UnreadableDatabase('it leads in circles')
    return Buffer.from(this.#file.read(at, length))
  }

  /** Counts a record of so many bytes before it is put together. Throws UnreadableDatabase for one that cannot be. */
  expectRecord(bytes: number): void {
    if (bytes > maximumRecordBytes) {
      throw new UnreadableDatabase(
        `it has a record of ${bytes} bytes; at most ${maximumRecordBytes} are read`,
      )
    }
    if (bytes > this.sizeBytes)
      throw new UnreadableDatabase(`it has a record of ${bytes} bytes, more than itself`)
    this.#budgetBytes -= bytes
    if (this.#budgetBytes < 0) throw new UnreadableDatabase('its records lie on top of each other')
    if (++this.#records > maximumRecords) {
      throw new UnreadableDatabase(`it has more than ${maximumRecords} records`)
    }
  }
}
