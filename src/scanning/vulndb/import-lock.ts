import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { ScanningFailure } from '../failures.ts'

/** Folders that this process imports into now. */
const held = new Set<string>()

/**
 * Does something that replaces the database of a folder. Throws VULNDB_BUSY while something else does, in this
 * process or in another one.
 */
export async function withImportLock<Result>(folder: string, act: () => Promise<Result>): Promise<Result> {
  const unlock = lock(folder)
  try {
    return await act()
  } finally {
    unlock()
  }
}

/** A lock file with the owner's process id; one whose owner is gone counts for nothing. */
function lock(folder: string): () => void {
  mkdirSync(folder, { recursive: true })
  const path = join(folder, 'import.lock')
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = openSync(path, 'wx')
      writeSync(file, String(process.pid))
      closeSync(file)
      held.add(folder)
      return () => {
        held.delete(folder)
        rmSync(path, { force: true })
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      if (isHeld(folder, Number(readFileSync(path, 'utf8')))) break
      rmSync(path, { force: true })
    }
  }
  throw new ScanningFailure('VULNDB_BUSY', 'another import is running; try again when it has ended')
}

/** Our own id in a lock that we do not hold is left from before a restart; in a container it is often the same. */
function isHeld(folder: string, pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  if (pid === process.pid) return held.has(folder)
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
