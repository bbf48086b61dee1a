import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { lendTexts } from './lend-texts.mjs'
import { errno, maximumPath, Refusal, resolveInside } from './resolve-inside.mjs'

/** WASI preview 1, "rights": what changes a file. */
const rights = { dataSync: 0n, write: 6n, allocate: 8n, setSize: 22n, setTimes: 23n }
const writing =
  (1n << rights.dataSync) | (1n << rights.write) | (1n << rights.allocate) | (1n << rights.setSize)
const changing = writing | (1n << rights.setTimes)
/** WASI preview 1, "oflags": create, exclusive and truncate. */
const makingFlags = 1 | 4 | 8
const follows = 1
const firstFolder = 3
/** What is asked of a link has at most this many bytes, so that there is room beside it. */
const maximumAnswer = maximumPath + 1
const filestatBytes = 64

/**
 * @typedef {import('./resolve-inside.mjs').Folder} Folder
 * @typedef {import('./lend-texts.mjs').Stretch} Stretch
 * @typedef {(...values: any[]) => any} Import
 */

/**
 * The imports of WASI so that no path of the module leads out of the folders that are open for it. Node's own look at
 * a link only where it is the last part of a path; here every path is replaced by what it really leads to, which has
 * no link in it, and is refused when that is outside of its folder. Folders are those that Node was given, in order.
 * @param {Record<string, Import>} imports
 * @param {readonly Folder[]} opened
 * @param {() => ArrayBufferLike} memory
 * @returns {Record<string, Import>}
 */
export function keepInside(imports, opened, memory) {
  const folders = new Map(opened.map((folder, index) => [firstFolder + index, folder]))

  /** @param {number} fd */
  const folderOf = (fd, isChanging = true) => {
    const folder = folders.get(fd >>> 0)
    if (!folder) throw new Refusal(errno.badFile)
    if (isChanging && folder.isReadOnly) throw new Refusal(errno.readOnly)
    return folder
  }
  /** @param {number} at @param {number} size */
  const textAt = (at, size) => {
    if (size >>> 0 > maximumPath) throw new Refusal(errno.nameTooLong)
    const bytes = new Uint8Array(memory())
    if ((at >>> 0) + (size >>> 0) > bytes.length) throw new Refusal(errno.fault)
    return Buffer.from(bytes.slice(at >>> 0, (at >>> 0) + (size >>> 0))).toString()
  }
  /** @param {readonly string[]} texts @param {readonly Stretch[]} answers @param {Import} call */
  const lending = (texts, answers, call) => lendTexts(memory, texts, answers, call)
  /** A call with one path whose last part is taken as it is. @param {string} name */
  const onPath = (name) =>
    guard((/** @type {number} */ fd, /** @type {number} */ at, /** @type {number} */ size) => {
      const { path } = resolveInside(folderOf(fd), textAt(at, size), false)
      return lending([path], [], (at, size) => imports[name]?.(fd, at, size))
    })

  return {
    ...imports,
    path_create_directory: onPath('path_create_directory'),
    path_remove_directory: onPath('path_remove_directory'),
    path_unlink_file: onPath('path_unlink_file'),
    path_open: guard((fd, flags, at, size, making, base, inheriting, fdFlags, out) => {
      const folder = folderOf(fd, false)
      const { path, found } = resolveInside(folder, textAt(at, size), isFollowing(flags))
      if (found?.isSymbolicLink()) throw new Refusal(errno.loop)
      const isFolder = found?.isDirectory() ?? false
      if (folder.isReadOnly && ((making & makingFlags) !== 0 || (!isFolder && (base & writing) !== 0n)))
        throw new Refusal(errno.readOnly)
      const allowed = folder.isReadOnly ? ~changing : ~0n
      return lending([path], [{ at: out, size: 4 }], (at, size) => {
        const error = imports['path_open']?.(
          fd,
          0,
          at,
          size,
          making,
          base & allowed,
          inheriting & allowed,
          fdFlags,
          out,
        )
        if (error !== 0) return error
        const fdOpened = new DataView(memory()).getUint32(out >>> 0, true)
        if (isFolder)
          folders.set(fdOpened, {
            ...folder,
            path: join(folder.path, path),
            isRoot: folder.isRoot && path === '.',
          })
        else folders.delete(fdOpened)
        return 0
      })
    }),
    path_filestat_get: guard((fd, flags, at, size, out) => {
      const folder = folderOf(fd, false)
      const { path, found } = resolveInside(folder, textAt(at, size), isFollowing(flags))
      // Node's own follows it.
      if (found?.isSymbolicLink()) return describeLink(join(folder.path, path), memory(), out)
      return lending([path], [{ at: out, size: filestatBytes }], (at, size) =>
        imports['path_filestat_get']?.(fd, 0, at, size, out),
      )
    }),
    path_filestat_set_times: guard((fd, flags, at, size, ...times) => {
      const { path, found } = resolveInside(folderOf(fd), textAt(at, size), isFollowing(flags))
      if (found?.isSymbolicLink()) throw new Refusal(errno.notSupported)
      return lending([path], [], (at, size) =>
        imports['path_filestat_set_times']?.(fd, 0, at, size, ...times),
      )
    }),
    path_readlink: guard((fd, at, size, out, outSize, used) => {
      const { path } = resolveInside(folderOf(fd, false), textAt(at, size), false)
      const room = Math.min(outSize >>> 0, maximumAnswer)
      const answers = [
        { at: out, size: room },
        { at: used, size: 4 },
      ]
      return lending([path], answers, (at, size) => imports['path_readlink']?.(fd, at, size, out, room, used))
    }),
    path_link: guard((fd, flags, at, size, newFd, newAt, newSize) => {
      const { path, found } = resolveInside(folderOf(fd), textAt(at, size), isFollowing(flags))
      // Some kernels would follow it.
      if (found?.isSymbolicLink()) throw new Refusal(errno.notSupported)
      const to = resolveInside(folderOf(newFd), textAt(newAt, newSize), false)
      return lending([path, to.path], [], (at, size, newAt, newSize) =>
        imports['path_link']?.(fd, 0, at, size, newFd, newAt, newSize),
      )
    }),
    path_rename: guard((fd, at, size, newFd, newAt, newSize) => {
      const from = resolveInside(folderOf(fd), textAt(at, size), false)
      const to = resolveInside(folderOf(newFd), textAt(newAt, newSize), false)
      return lending([from.path, to.path], [], (at, size, newAt, newSize) =>
        imports['path_rename']?.(fd, at, size, newFd, newAt, newSize),
      )
    }),
    path_symlink: guard((targetAt, targetSize, fd, at, size) => {
      const target = textAt(targetAt, targetSize)
      // It would lead others who look at the folder to a place of the machine.
      if (target.startsWith('/')) throw new Refusal(errno.notCapable)
      const { path } = resolveInside(folderOf(fd), textAt(at, size), false)
      return lending([target, path], [], (targetAt, targetSize, at, size) =>
        imports['path_symlink']?.(targetAt, targetSize, fd, at, size),
      )
    }),
    // It opens the folder anew by its name.
    fd_readdir: guard((fd, ...rest) => {
      if (folders.has(fd >>> 0)) resolveInside(folderOf(fd, false), '.', false)
      return imports['fd_readdir']?.(fd, ...rest)
    }),
    fd_filestat_set_times: guard((fd, ...times) => {
      if (folders.has(fd >>> 0)) folderOf(fd)
      return imports['fd_filestat_set_times']?.(fd, ...times)
    }),
    fd_close: guard((fd) => {
      const error = imports['fd_close']?.(fd)
      if (error === 0) folders.delete(fd >>> 0)
      return error
    }),
    fd_renumber: guard((from, to) => {
      const error = imports['fd_renumber']?.(from, to)
      if (error !== 0 || from >>> 0 === to >>> 0) return error
      const folder = folders.get(from >>> 0)
      folders.delete(from >>> 0)
      folders.delete(to >>> 0)
      if (folder) folders.set(to >>> 0, folder)
      return error
    }),
  }
}

/** @param {number} flags */
function isFollowing(flags) {
  return (flags & follows) !== 0
}

/**
 * WASI preview 1, "filestat", of a link itself.
 * @param {string} path
 * @param {ArrayBufferLike} memory
 * @param {number} out
 */
function describeLink(path, memory, out) {
  const at = out >>> 0
  if (at + filestatBytes > memory.byteLength) throw new Refusal(errno.fault)
  const stats = lstatSync(path, { bigint: true })
  const view = new DataView(memory, at, filestatBytes)
  const { dev, ino, nlink, size, atimeNs, mtimeNs, ctimeNs } = stats
  // The third is the type: a symbolic link.
  for (const [index, value] of [dev, ino, 7n, nlink, size, atimeNs, mtimeNs, ctimeNs].entries()) {
    view.setBigUint64(index * 8, value, true)
  }
  return 0
}

/**
 * A refusal as the number that the module gets.
 * @param {Import} call
 * @returns {Import}
 */
function guard(call) {
  return (...values) => {
    try {
      return call(...values)
    } catch (error) {
      if (error instanceof Refusal) return error.errno
      const { code } = /** @type {NodeJS.ErrnoException} */ (error)
      if (code === undefined) throw error
      return numbers[code] ?? errno.io
    }
  }
}

/** @type {Readonly<Record<string, number>>} */
const numbers = {
  EACCES: errno.access,
  EPERM: errno.access,
  ELOOP: errno.loop,
  ENAMETOOLONG: errno.nameTooLong,
  ENOENT: errno.noEntry,
  ENOTDIR: errno.notFolder,
  // A name with a zero in it.
  ERR_INVALID_ARG_VALUE: errno.invalid,
}
