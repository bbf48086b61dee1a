import { parentPort, workerData } from 'node:worker_threads'
import { Failure } from '../../kernel/failure.ts'
import { importAdvisories, importFiles, type ImportOutcome } from './import-advisories.ts'
import type { ImportAnswer, ImportTask } from './run-import.ts'

const { folder, from } = workerData as ImportTask

function run(): Promise<ImportOutcome> {
  const now = Date.now()
  return typeof from === 'string' ? importAdvisories(folder, from, now) : importFiles(folder, from, now)
}

run().then(
  (outcome) => parentPort?.postMessage({ outcome } satisfies ImportAnswer),
  (error: unknown) =>
    parentPort?.postMessage({
      code: error instanceof Failure ? error.code : '',
      message: (error as Error).message,
    } satisfies ImportAnswer),
)
