import { constants } from 'node:fs'
import { lstat, mkdir, open, opendir, readlink, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { CriFailure } from '../cri/failures.ts'

/** How much may still be copied; what is copied is taken off. */
export interface CopyBudget {
  bytes: number
  entries: number
}

/**
 * Copies a file, or a folder with all that is in it. Links are copied as the links that they are: where they lead is
 * looked at when the module goes there, and they lead to nothing but what was copied. Sockets and devices are left
 * out. Throws FAILED_PRECONDITION as soon as it is too much.
 */
export async function copyTree(from: string, to: string, budget: CopyBudget): Promise<void> {
  const stats = await lstat(from)
  if (stats.isSymbolicLink()) await symlink(await readlink(from), to)
  else if (stats.isFile()) await copyFile(from, to, budget)
  else if (stats.isDirectory()) {
    await mkdir(to, { recursive: true })
    // One after another: the folder of a hostile owner is not to take all that the agent has.
    for (const name of await list(from, budget)) await copyTree(join(from, name), join(to, name), budget)
  }
}

async function list(folder: string, budget: CopyBudget): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of await opendir(folder)) {
    if (--budget.entries < 0) throw tooMuch(folder)
    names.push(name)
  }
  return names
}

/** No more of it than it had when it was opened. Its place is taken, not written through. */
async function copyFile(from: string, to: string, budget: CopyBudget): Promise<void> {
  // It may have become something else since it was looked at, which is not followed and not waited for.
  const source = await open(from, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stats = await source.stat()
    if (!stats.isFile()) return
    budget.bytes -= stats.size
    if (budget.bytes < 0) throw tooMuch(from)
    await rm(to, { force: true })
    const target = await open(to, 'wx', stats.mode & 0o777)
    if (stats.size === 0) return await target.close()
    await pipeline(
      source.createReadStream({ end: stats.size - 1, autoClose: false }),
      target.createWriteStream(),
    )
  } finally {
    await source.close()
  }
}

function tooMuch(path: string): CriFailure {
  return new CriFailure(
    'FAILED_PRECONDITION',
    `what is mounted for the module to read is too much to be copied, at ${path}; mount less, or let it write`,
  )
}
