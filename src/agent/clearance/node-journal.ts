import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
} from 'node:fs'
import { dirname } from 'node:path'

/** Of the journal and of the one before it. */
const maximumBytes = 16 * 1024 * 1024
const maximumRecent = 500

/** Something that happened on the node and that somebody may have to answer for. */
export interface JournalEntry {
  /** One more than that of the entry before; never used twice on a node. */
  readonly sequence: number
  readonly at: number
  readonly kind: 'cleared' | 'refused' | 'run' | 'break-glass' | 'evicted'
  readonly [detail: string]: unknown
}

/**
 * What was cleared, refused and run on this node: lines of JSON in a file that is only added to. A line that was cut
 * off by a crash is dropped. When the file is full it takes the place of the one before it.
 */
export class NodeJournal {
  readonly #path: string
  /** The last ones, so that who asks again and again does not read the file each time. */
  #recent: JournalEntry[] = []
  #sequence: number

  constructor(path: string) {
    this.#path = path
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    dropHalfLine(path)
    this.#sequence = lastSequence(path) || lastSequence(`${path}.1`)
  }

  get lastSequence(): number {
    return this.#sequence
  }

  append(kind: JournalEntry['kind'], at: number, detail: Readonly<Record<string, unknown>>): JournalEntry {
    const entry = { ...detail, sequence: this.#sequence + 1, at, kind }
    if ((statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0) > maximumBytes) {
      renameSync(this.#path, `${this.#path}.1`)
    }
    appendFileSync(this.#path, `${JSON.stringify(entry)}\n`, { mode: 0o600, flush: true })
    this.#sequence = entry.sequence
    this.#recent = [...this.#recent, entry].slice(-maximumRecent)
    return entry
  }

  /** At most so many entries after the given one, the oldest first. */
  after(sequence: number, limit: number): JournalEntry[] {
    if (sequence >= this.#sequence) return []
    const [oldest] = this.#recent
    if (oldest && oldest.sequence <= sequence + 1) {
      return this.#recent.filter((one) => one.sequence > sequence).slice(0, limit)
    }
    const found = [`${this.#path}.1`, this.#path]
      .flatMap(readEntries)
      .filter((one) => one.sequence > sequence)
    return found.slice(0, limit)
  }
}

function dropHalfLine(path: string): void {
  if (!existsSync(path)) return
  const bytes = readFileSync(path)
  const end = bytes.lastIndexOf(0x0a) + 1
  if (end < bytes.length) truncateSync(path, end)
}

function lastSequence(path: string): number {
  return readEntries(path).at(-1)?.sequence ?? 0
}

function readEntries(path: string): JournalEntry[] {
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as JournalEntry]
      } catch {
        return []
      }
    })
}
