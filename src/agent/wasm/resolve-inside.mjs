import { lstatSync, readlinkSync, realpathSync } from 'node:fs'
import { join } from 'node:path'

/** WASI preview 1, "errno". */
export const errno = {
  access: 2,
  badFile: 8,
  fault: 21,
  invalid: 28,
  io: 29,
  loop: 32,
  nameTooLong: 37,
  noEntry: 44,
  notFolder: 54,
  notSupported: 58,
  readOnly: 69,
  notCapable: 76,
}

const maximumLinks = 40
export const maximumPath = 4096

/** What a call of the module is answered with. */
export class Refusal extends Error {
  /** @param {number} number */
  constructor(number) {
    super(`errno ${number}`)
    this.errno = number
  }
}

/**
 * A folder that is open for the module. `path` is where it really is; `isRoot` when absolute links begin at it.
 * @typedef {{ readonly path: string, readonly isRoot: boolean, readonly isReadOnly: boolean }} Folder
 */

/**
 * Where a path of the module leads, seen from an open folder: a path with no link in it, but for its last part when
 * that is not to be followed, and what is there now. Links are followed here and not by the kernel, which would begin
 * an absolute one at the root of the machine. Throws a Refusal for what is outside of the folder.
 * @param {Folder} folder
 * @param {string} asked
 * @param {boolean} followsLast
 */
export function resolveInside({ path: folder, isRoot }, asked, followsLast) {
  // WASI keeps folders by their names: what was opened may have given its name to a link since.
  if (realpathSync.native(folder) !== folder) throw new Refusal(errno.notCapable)
  if (asked === '') throw new Refusal(errno.noEntry)
  if (asked.startsWith('/')) throw new Refusal(errno.notCapable)
  /** @type {string[]} */
  let done = []
  let links = 0
  let last
  const waiting = partsOf(asked)
  for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
    last = undefined
    if (part === '..') {
      if (done.pop() === undefined) throw new Refusal(errno.notCapable)
      continue
    }
    const found = lstatSync(join(folder, ...done, part), { throwIfNoEntry: false })
    const isLast = waiting.length === 0
    if (found?.isSymbolicLink() && (!isLast || followsLast)) {
      if (++links > maximumLinks) throw new Refusal(errno.loop)
      const target = readlinkSync(join(folder, ...done, part))
      if (target.startsWith('/')) {
        if (!isRoot) throw new Refusal(errno.notCapable)
        done = []
      }
      waiting.unshift(...partsOf(target))
      continue
    }
    if (!isLast && !found) throw new Refusal(errno.noEntry)
    if (!isLast && !found?.isDirectory()) throw new Refusal(errno.notFolder)
    done.push(part)
    last = found
  }
  const path = done.join('/') || '.'
  if (Buffer.byteLength(path) > maximumPath) throw new Refusal(errno.nameTooLong)
  return { path, found: last ?? lstatSync(join(folder, path), { throwIfNoEntry: false }) }
}

/** @param {string} path */
function partsOf(path) {
  return path.split('/').filter((part) => part !== '' && part !== '.')
}
