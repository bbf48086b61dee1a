import { createHash, randomUUID } from 'node:crypto'
import { globSync, readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { FileFacts } from '../catalogers/index.ts'
import type { LayerChanges } from './read-layer.ts'

const maximumEntryBytes = 256 * 1024 * 1024
const defaultMaximumBytes = 2 * 1024 ** 3

/**
 * What layers were found to change, by diff-id, so that a layer that many images share is read once. A blob's
 * digest leads to the diff-id that was computed when the blob was read; what a config claims is never the key.
 * Entries made by other code than this are not found.
 */
export class LayerCache {
  readonly #folder: string
  readonly #root: string
  readonly #maximumBytes: number

  constructor(folder: string, maximumBytes = defaultMaximumBytes) {
    this.#root = folder
    this.#folder = join(folder, codeVersion())
    this.#maximumBytes = maximumBytes
  }

  /** What the layer with this blob digest changes; undefined when it was not read yet, or the entry is damaged. */
  async find(digest: string): Promise<LayerChanges | undefined> {
    return (await this.#find(digest, maximumEntryBytes))?.changes
  }

  /** The same of several layers; undefined when one is not there, or together they are larger than that. */
  async findAll(digests: readonly string[], maximumBytes: number): Promise<LayerChanges[] | undefined> {
    const all: LayerChanges[] = []
    let left = maximumBytes
    for (const digest of digests) {
      const found = await this.#find(digest, left)
      if (!found) return undefined
      all.push(found.changes)
      left -= found.size
    }
    return all
  }

  async #find(
    digest: string,
    maximumBytes: number,
  ): Promise<{ changes: LayerChanges; size: number } | undefined> {
    if (maximumBytes <= 0) return undefined
    try {
      const diffId = await readFile(this.#path('digest', digest), 'utf8')
      const path = this.#path('layer', diffId)
      const packed = await readFile(path)
      const text = await promisify(gunzip)(packed, { maxOutputLength: maximumBytes })
      await utimes(path, new Date(), new Date())
      return { changes: read(JSON.parse(text.toString()) as Stored), size: text.length }
    } catch {
      // Not there, cut off, not ours or too large: the layer is read again.
      return undefined
    }
  }

  /** Keeps what a layer changes. */
  async keep(digest: string, changes: LayerChanges): Promise<void> {
    const stored: Stored = { ...changes, files: [...changes.files] }
    const text = Buffer.from(JSON.stringify(stored))
    if (text.length > maximumEntryBytes) return
    await this.#write(this.#path('layer', changes.diffId), await promisify(gzip)(text, { level: 1 }))
    await this.#write(this.#path('digest', digest), changes.diffId)
  }

  /** Removes what other code made, and the entries that were not used for longest, down to the size limit. */
  async trim(): Promise<void> {
    const version = codeVersion()
    for (const name of await readdir(this.#root).catch(() => [])) {
      if (name !== version) await rm(join(this.#root, name), { recursive: true, force: true })
    }
    const folder = join(this.#folder, 'layer')
    const names = await readdir(folder).catch(() => [])
    const entries = await Promise.all(
      names.map(async (name) => ({ name, ...(await sizeAndUse(join(folder, name))) })),
    )
    let bytes = entries.reduce((sum, entry) => sum + entry.size, 0)
    for (const { name, size } of entries.toSorted((left, right) => left.usedAt - right.usedAt)) {
      if (bytes <= this.#maximumBytes) break
      await rm(join(folder, name), { force: true })
      bytes -= size
    }
  }

  async #write(path: string, content: Buffer | string): Promise<void> {
    await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
    const unfinished = `${path}.${randomUUID()}`
    await writeFile(unfinished, content, { mode: 0o600 })
    await rename(unfinished, path)
  }

  #path(kind: 'digest' | 'layer', key: string): string {
    if (!/^sha(256|512):[0-9a-f]+$/.test(key)) throw new Error(`not a digest: ${key}`)
    return join(this.#folder, kind, key.replace(':', '-'))
  }
}

interface Stored extends Omit<LayerChanges, 'files'> {
  readonly files: readonly [string, FileFacts][]
}

function read(stored: Stored): LayerChanges {
  return { ...stored, files: new Map(stored.files) }
}

async function sizeAndUse(path: string): Promise<{ size: number; usedAt: number }> {
  const found = await stat(path).catch(() => undefined)
  return { size: found?.size ?? 0, usedAt: found?.mtimeMs ?? 0 }
}

let known: string | undefined

/** A digest of the code that reads layers: a cataloger that learned something must see every layer again. */
function codeVersion(): string {
  if (known === undefined) {
    const scanning = join(import.meta.dirname, '..')
    const hash = createHash('sha256')
    for (const file of globSync('{catalogers,layers}/**/*.ts', { cwd: scanning }).toSorted()) {
      if (!/\.(test|contract)\.ts$/.test(file)) hash.update(file).update(readFileSync(join(scanning, file)))
    }
    known = hash.digest('hex').slice(0, 16)
  }
  return known
}
