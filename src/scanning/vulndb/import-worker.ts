import { parentPort, workerData } from 'node:worker_threads'
import { Failure } from '../../kernel/failure.ts'
import { importAdvisories } from './import-advisories.ts'
import type { ImportAnswer } from './run-import.ts'

const { folder, path } = workerData as { folder: string; path: string }

importAdvisories(folder, path, Date.now()).then(
  (report) => parentPort?.postMessage({ report } satisfies ImportAnswer),
  (error: unknown) =>
    parentPort?.postMessage({
      code: error instanceof Failure ? error.code : '',
      message: (error as Error).message,
    } satisfies ImportAnswer),
)
