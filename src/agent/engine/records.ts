import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CriFailure } from '../cri/failures.ts'

const shortest = 4

/** Records of one kind: a file each in a folder, written whole, and all of them in memory. */
export class Records<Kept extends { readonly id: string }> {
  readonly #folder: string
  readonly #what: string
  readonly #all = new Map<string, Kept>()

  constructor(folder: string, what: string) {
    this.#folder = folder
    this.#what = what
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const file of readdirSync(folder)) this.#read(file)
  }

  list(): readonly Kept[] {
    return [...this.#all.values()]
  }

  /** By the whole id, or by a beginning that fits in one only. Throws INVALID_ARGUMENT when it fits in several. */
  find(id: string): Kept | undefined {
    const whole = this.#all.get(id)
    if (whole || id.length < shortest) return whole
    const found = this.list().filter((one) => one.id.startsWith(id))
    if (found.length < 2) return found[0]
    throw new CriFailure(
      'INVALID_ARGUMENT',
      `${id} fits in ${found.length} ${this.#what}s; give more of the id`,
    )
  }

  get(id: string): Kept {
    const found = this.find(id)
    if (found) return found
    throw new CriFailure('NOT_FOUND', `there is no ${this.#what} ${id || 'without an id'}`)
  }

  save(record: Kept): Kept {
    const path = join(this.#folder, `${record.id}.json`)
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600, flush: true })
    renameSync(`${path}.new`, path)
    this.#all.set(record.id, record)
    return record
  }

  remove(id: string): void {
    this.#all.delete(id)
    rmSync(join(this.#folder, `${id}.json`), { force: true })
  }

  #read(file: string): void {
    const path = join(this.#folder, file)
    try {
      if (!file.endsWith('.json')) throw new Error('it is half written')
      const record = JSON.parse(readFileSync(path, 'utf8')) as Kept
      this.#all.set(record.id, record)
    } catch {
      rmSync(path, { force: true })
    }
  }
}
