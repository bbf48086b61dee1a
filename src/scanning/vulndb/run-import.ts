import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Failure } from '../../kernel/failure.ts'
import { ScanningFailure } from '../failures.ts'
import type { ImportReport } from './import-advisories.ts'

/** What the import thread answers. */
export type ImportAnswer =
  { readonly report: ImportReport } | { readonly code: string; readonly message: string }

/**
 * Imports in a thread of its own, so that the server goes on serving. One import at a time: throws VULNDB_BUSY
 * while another one runs, in this process or in another one on the same folder.
 */
export async function runImport(folder: string, path: string): Promise<ImportReport> {
  const unlock = lock(folder)
  const worker = new Worker(new URL('./import-worker.ts', import.meta.url), { workerData: { folder, path } })
  try {
    const answer = await new Promise<ImportAnswer>((resolve, reject) => {
      worker.on('message', resolve)
      worker.on('error', reject)
      worker.on('exit', () => reject(new Error('the import ended without an answer')))
    })
    if ('report' in answer) return answer.report
    throw answer.code === '' ? new Error(answer.message) : new Failure(answer.code, answer.message)
  } finally {
    await worker.terminate()
    unlock()
  }
}

/** Folders that this process imports into now. */
const held = new Set<string>()

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
