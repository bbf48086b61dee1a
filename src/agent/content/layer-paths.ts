import { lstatSync, readlinkSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { CriFailure } from '../cri/failures.ts'

const maximumLinks = 40
const maximumPath = 4096

/**
 * Where the entries of a layer belong when it lies on the layers below it. As on a running system, a folder of a
 * path may be a symbolic link, of this layer or of one below: what is said to be under it is where it leads, always
 * inside of the root.
 */
export class LayerPaths {
  /** Folders of the layers below, the topmost first. */
  readonly #below: readonly string[]
  /** Of this layer: where a link leads, or undefined for what is no link. */
  readonly #own = new Map<string, string | undefined>()
  readonly #cache = new Map<string, string | undefined>()

  constructor(below: readonly string[]) {
    this.#below = below
  }

  /** The path without a leading slash. Throws INVALID_ARGUMENT for one that leaves the root. */
  resolve(name: string): string {
    const clean = checkPath(name)
    const folder = dirname(clean)
    return folder === '.' ? clean : join(this.#follow(folder), clean.slice(folder.length + 1))
  }

  /** Where a path leads when its last part may be a link as well. */
  resolveWhole(name: string): string {
    return this.#follow(checkPath(name))
  }

  /** This layer has it now; `link` where it is a symbolic one. */
  add(path: string, link?: string): void {
    this.#own.set(path, link)
  }

  #follow(folder: string): string {
    let done = ''
    const parts = folder.split('/')
    for (let links = 0; parts.length > 0;) {
      const part = parts.shift() as string
      if (part === '' || part === '.') continue
      if (part === '..') {
        done = dirname(done) === '.' ? '' : dirname(done)
        continue
      }
      const path = done === '' ? part : `${done}/${part}`
      const link = this.linkAt(path)
      if (link === undefined) {
        done = path
        continue
      }
      if (++links > maximumLinks) throw hostile(folder, 'goes through more links than there can be')
      // An absolute link begins at the root of the image, not at that of the machine.
      if (link.startsWith('/')) done = ''
      parts.unshift(...link.split('/'))
    }
    return done
  }

  /** Where the symbolic link at a path leads; undefined for what is none. */
  linkAt(path: string): string | undefined {
    if (this.#own.has(path)) return this.#own.get(path)
    if (!this.#cache.has(path)) this.#cache.set(path, this.#lookBelow(path))
    return this.#cache.get(path)
  }

  #lookBelow(path: string): string | undefined {
    for (const folder of this.#below) {
      const found = lstatSync(join(folder, path), { throwIfNoEntry: false })
      if (!found) continue
      return found.isSymbolicLink() ? readlinkSync(join(folder, path)) : undefined
    }
    return undefined
  }
}

/** The name of an entry as a path inside of the root. */
export function checkPath(name: string): string {
  if (name.length > maximumPath || name.includes('\0')) throw hostile(name, 'is no path')
  const clean = normalize(`/${name}`).slice(1).replace(/\/$/, '')
  // What begins outside of the root was written to get out of it.
  if (normalize(name).split('/')[0] === '..') throw hostile(name, 'leaves the root')
  return clean
}

export function hostile(name: string, why: string): CriFailure {
  const shown = JSON.stringify(name.slice(0, 200))
  return new CriFailure(
    'INVALID_ARGUMENT',
    `the layer has an entry ${shown} that ${why}; the image is not unpacked`,
  )
}
