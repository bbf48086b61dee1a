import { withoutRepeats } from '../name-package.ts'
import type { FileContent, FileFacts, FoundPackage } from '../types.ts'
import { identifyArchive } from './identify-archive.ts'
import { type Bytes, ZipArchive, type ZipEntry } from './zip-archive.ts'

export interface ArchiveLimits {
  /** Archives in archives: a fat jar has two levels, an ear of wars of jars three. */
  readonly depth: number
  readonly archives: number
  /** Entries of all archives in one file together. */
  readonly entries: number
  /** Bytes that are unpacked in all, and that are held unpacked at the same time. */
  readonly unpackedBytes: number
  readonly heldBytes: number
}

export const archiveLimits: ArchiveLimits = {
  depth: 5,
  archives: 5_000,
  entries: 300_000,
  unpackedBytes: 1024 ** 3,
  heldBytes: 192 * 1024 * 1024,
}

/** Manifests and Maven's records are a few kilobytes. */
const maximumRecordBytes = 1024 * 1024
const maximumProblems = 3

/** True for what Java loads code from, by its name. */
export function isArchiveName(path: string): boolean {
  return /\.(?:jar|war|ear|hpi|jpi|par|sar|rar|kar|nar|lpkg)$/i.test(path)
}

/** What a Java archive holds; what cannot be read of it is told, and the rest is read all the same. */
export async function readArchives(
  path: string,
  file: Pick<FileContent, 'sizeBytes' | 'read'>,
  limits: ArchiveLimits = archiveLimits,
): Promise<FileFacts> {
  const walk = new ArchiveWalk(limits)
  await walk.read(file, path, '', 0)
  const unknown = [...new Set(walk.problems)].slice(0, maximumProblems).join('; ')
  const packages = withoutRepeats(walk.packages)
  return { ...(packages.length > 0 ? { packages } : {}), ...(unknown === '' ? {} : { unknown }) }
}

class ArchiveWalk {
  readonly packages: FoundPackage[] = []
  readonly problems: string[] = []
  readonly #limits: ArchiveLimits
  #archives = 0
  #entries = 0
  #unpackedBytes = 0
  #heldBytes = 0
  #isOver = false

  constructor(limits: ArchiveLimits) {
    this.#limits = limits
  }

  /** Reads one archive; `inside` is its path in the outermost one, empty for that itself. */
  async read(bytes: Bytes, path: string, inside: string, depth: number): Promise<void> {
    if (++this.#archives > this.#limits.archives) return this.#stop('archives', this.#limits.archives)
    const records = new Map<string, string>()
    try {
      const archive = await ZipArchive.open(bytes)
      for await (const entry of archive.entries()) {
        if (++this.#entries > this.#limits.entries) this.#stop('entries', this.#limits.entries)
        if (this.#isOver) break
        await this.#attempt(entry.path, inside, async () => {
          if (isRecord(entry.path)) records.set(entry.path, await this.#readRecord(archive, entry))
          else if (isArchiveName(entry.path)) await this.#readInner(archive, entry, inside, depth)
        })
      }
    } catch (error) {
      this.#note(inside, (error as Error).message)
    }
    const found = identifyArchive(path, records)
    this.packages.push(...found.map((one) => (inside === '' ? one : { ...one, inside })))
  }

  async #attempt(path: string, inside: string, act: () => Promise<void>): Promise<void> {
    try {
      await act()
    } catch (error) {
      this.#note(join(inside, path), (error as Error).message)
    }
  }

  async #readRecord(archive: ZipArchive, entry: ZipEntry): Promise<string> {
    const unpacked = await archive.unpack(entry, maximumRecordBytes)
    this.#count(unpacked.length)
    return unpacked.toString('utf8')
  }

  /** One that is stored as it is stays where it lies; one that is packed is held while it is read. */
  async #readInner(archive: ZipArchive, entry: ZipEntry, inside: string, depth: number): Promise<void> {
    if (depth + 1 >= this.#limits.depth) {
      throw new Error(`more than ${this.#limits.depth} archives lie in each other`)
    }
    const path = join(inside, entry.path)
    const stored = await archive.stored(entry)
    if (stored) return this.read(stored, entry.path, path, depth + 1)
    const unpacked = await archive.unpack(entry, this.#limits.heldBytes - this.#heldBytes)
    this.#count(unpacked.length)
    this.#heldBytes += unpacked.length
    const bytes: Bytes = {
      sizeBytes: unpacked.length,
      read: (at, length) => unpacked.subarray(at, at + length),
    }
    await this.read(bytes, entry.path, path, depth + 1)
    this.#heldBytes -= unpacked.length
  }

  #count(bytes: number): void {
    this.#unpackedBytes += bytes
    if (this.#unpackedBytes > this.#limits.unpackedBytes) this.#stop('bytes', this.#limits.unpackedBytes)
  }

  #stop(what: string, limit: number): void {
    if (!this.#isOver) this.problems.unshift(`it unpacks to more than ${limit} ${what}`)
    this.#isOver = true
  }

  #note(inside: string, problem: string): void {
    if (this.problems.length >= maximumProblems) return
    const where = inside === '' ? '' : `${inside.slice(-200)}: `
    this.problems.push(where + problem.slice(0, 200))
  }
}

function isRecord(path: string): boolean {
  return path === 'META-INF/MANIFEST.MF' || /^META-INF\/maven\/[^/]+\/[^/]+\/pom\.properties$/.test(path)
}

function join(inside: string, path: string): string {
  return inside === '' ? path : `${inside}!/${path}`
}
