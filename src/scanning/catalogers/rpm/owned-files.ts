import { UnreadableDatabase } from './bounded-file.ts'
import type { RpmHeader } from './read-header.ts'

const maximumPaths = 1_000_000
const maximumCharacters = 64 * 1024 * 1024
/** PATH_MAX of Linux. */
const maximumPathLength = 4096

/** Collects the files of packages, up to a limit. */
export class OwnedFiles {
  readonly paths: string[] = []
  #characters = 0
  #isFull = false

  /** True when files were left out. */
  get isFull(): boolean {
    return this.#isFull
  }

  /** Throws UnreadableDatabase for a header whose lists do not fit together. */
  add({ baseNames, folderIndexes, folderNames }: RpmHeader): void {
    for (const [index, baseName] of baseNames.entries()) {
      const folder = folderNames[folderIndexes[index] ?? -1]
      if (folder === undefined) throw new UnreadableDatabase('a file has no folder')
      if (this.#isFull) return
      // A folder is written `/usr/bin/`; `/` alone holds the folders of the root.
      this.#addPath(folder.startsWith('/') ? folder.slice(1) : folder, baseName)
    }
  }

  #addPath(folder: string, baseName: string): void {
    const length = folder.length + baseName.length
    if (length === 0 || length > maximumPathLength) return
    this.#characters += length
    this.#isFull = this.paths.length >= maximumPaths || this.#characters > maximumCharacters
    if (!this.#isFull) this.paths.push(folder + baseName)
  }
}
