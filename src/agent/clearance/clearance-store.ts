import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf, hexOf, type Digest } from '../../kernel/digest.ts'
import type { Log } from '../../kernel/log.ts'
import { parseImageName } from './parse-image-name.ts'
import type { Cleared } from './types.ts'

/** A node has some hundreds of images; the longest expired ones go first. */
const maximumKept = 5_000

/** What is cleared on this node: a small file for each image of each repository, read once. */
export class ClearanceStore {
  readonly #folder: string
  readonly #log: Log
  readonly #all = new Map<string, Cleared>()

  constructor(folder: string, log: Log) {
    this.#folder = folder
    this.#log = log
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const file of readdirSync(folder)) this.#read(file)
  }

  /** What runtimes of this node have. */
  list(): readonly Cleared[] {
    return this.#every().filter(({ isRemoved }) => !isRemoved)
  }

  find(name: string, digest: string): Cleared | undefined {
    const found = this.#all.get(keyOf({ name, digest }))
    return found?.isRemoved ? undefined : found
  }

  /** Under a reference with a tag. */
  findTag(reference: string): Cleared | undefined {
    return this.list().find(({ tags }) => tags.includes(reference))
  }

  /**
   * Under the id that a runtime gave it. When repositories share it: the one that somebody named, else the one that
   * holds longest.
   */
  findImage(imageId: string, named = ''): Cleared | undefined {
    const all = this.listImage(imageId)
    return (
      all.find((one) => isNamed(one, named)) ??
      all.toSorted((one, other) => other.expiresAt - one.expiresAt)[0]
    )
  }

  /** What a container was made of, which may have been removed since. */
  findRun(imageId: string, named: string): Cleared | undefined {
    const all = this.#every().filter(({ imageIds }) => imageIds.includes(imageId))
    return all.find((one) => isNamed(one, named)) ?? this.findImage(imageId) ?? all[0]
  }

  /** All that are cleared under the id that a runtime gave them. */
  listImage(imageId: string): readonly Cleared[] {
    return this.list().filter(({ imageIds }) => imageIds.includes(imageId))
  }

  /** Keeps it; a tag that it has is taken from the image that had it. */
  save(cleared: Cleared): Cleared {
    for (const other of this.list()) {
      if (keyOf(other) === keyOf(cleared) || !other.tags.some((tag) => cleared.tags.includes(tag))) continue
      this.#write({ ...other, tags: other.tags.filter((tag) => !cleared.tags.includes(tag)) })
    }
    this.#write(cleared)
    this.#prune()
    return cleared
  }

  /** It was removed from a runtime; `forgetRemoved` forgets it when nothing runs of it either. */
  remove(cleared: Cleared): void {
    this.#write({ ...cleared, isRemoved: true })
  }

  /** Forgets what was removed, but for what still runs. */
  forgetRemoved(running: readonly Cleared[]): void {
    const kept = new Set(running.map(keyOf))
    for (const one of this.#every()) if (one.isRemoved && !kept.has(keyOf(one))) this.#forget(one)
  }

  #every(): readonly Cleared[] {
    return [...this.#all.values()]
  }

  #forget(cleared: Pick<Cleared, 'name' | 'digest'>): void {
    this.#all.delete(keyOf(cleared))
    rmSync(join(this.#folder, fileOf(cleared)), { force: true })
  }

  #write(cleared: Cleared): void {
    const path = join(this.#folder, fileOf(cleared))
    writeFileSync(`${path}.new`, JSON.stringify(cleared), { mode: 0o600, flush: true })
    renameSync(`${path}.new`, path)
    this.#all.set(keyOf(cleared), cleared)
  }

  #read(file: string): void {
    const path = join(this.#folder, file)
    if (!file.endsWith('.json')) return rmSync(path, { force: true })
    try {
      const cleared = JSON.parse(readFileSync(path, 'utf8')) as Cleared
      if (fileOf(cleared) !== file) throw new Error('it is about another image')
      this.#all.set(keyOf(cleared), cleared)
    } catch (error) {
      // Without it the image has to be cleared again, which is safe.
      this.#log.warn({ path, why: (error as Error).message }, 'a clearance cannot be read, and is dropped')
      rmSync(path, { force: true })
    }
  }

  #prune(): void {
    if (this.#all.size <= maximumKept) return
    const [oldest] = this.#every().toSorted((one, other) => one.expiresAt - other.expiresAt)
    if (oldest) this.#forget(oldest)
  }
}

function keyOf({ name, digest }: { readonly name: string; readonly digest: string }): string {
  return `${name}@${digest}`
}

function fileOf({ name, digest }: { readonly name: string; readonly digest: Digest }): string {
  return `${hexOf(digestOf(keyOf({ name, digest })))}.json`
}

function isNamed({ name, digest, tags }: Cleared, named: string): boolean {
  try {
    const asked = parseImageName(named)
    return asked.name === name && (asked.digest === digest || tags.includes(asked.reference))
  } catch {
    return false
  }
}
