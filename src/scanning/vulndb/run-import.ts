import { Worker } from 'node:worker_threads'
import { Failure } from '../../kernel/failure.ts'
import { ScanningFailure } from '../failures.ts'
import type { ImportOutcome, ImportReport, SourceFile } from './import-advisories.ts'
import { withImportLock } from './import-lock.ts'

/** What the import thread is given: a file or folder, or the files of feeds under the names of their sources. */
export interface ImportTask {
  readonly folder: string
  readonly from: string | readonly SourceFile[]
}

/** What the import thread answers. */
export type ImportAnswer =
  { readonly outcome: ImportOutcome } | { readonly code: string; readonly message: string }

/**
 * Imports in a thread of its own, so that the server goes on serving. One import at a time: throws VULNDB_BUSY
 * while another one runs, in this process or in another one on the same folder.
 */
export async function runImport(folder: string, path: string): Promise<ImportReport> {
  const { version, ...rest } = await withImportLock(folder, () => runImportThread({ folder, from: path }))
  if (version === undefined) throw new ScanningFailure('ADVISORIES_INVALID', 'no advisory was found')
  return { version, ...rest }
}

/** As `runImport`, for a caller that holds the lock. */
export async function runImportThread(task: ImportTask): Promise<ImportOutcome> {
  const worker = new Worker(new URL('./import-worker.ts', import.meta.url), { workerData: task })
  try {
    const answer = await new Promise<ImportAnswer>((resolve, reject) => {
      worker.on('message', resolve)
      worker.on('error', reject)
      worker.on('exit', () => reject(new Error('the import ended without an answer')))
    })
    if ('outcome' in answer) return answer.outcome
    throw answer.code === '' ? new Error(answer.message) : new Failure(answer.code, answer.message)
  } finally {
    await worker.terminate()
  }
}
