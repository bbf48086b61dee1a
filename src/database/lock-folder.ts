import { DatabaseSync } from 'node:sqlite'
import { join } from 'node:path'

/** SQLITE_BUSY: somebody else holds the lock (sqlite.org/rescode.html). */
const sqliteBusy = 5

/**
 * Takes a data folder for this process alone, until `release` or its end, however it ends: what one process
 * keeps in memory of uploads and their hashes, another one's writes would make untrue. The lock is SQLite's,
 * on a file of its own. Throws when another process has it.
 */
export function lockFolder(folder: string): { release(): void } {
  const database = new DatabaseSync(join(folder, 'lock.sqlite'))
  try {
    database.exec('pragma busy_timeout = 0; begin exclusive')
  } catch (error) {
    database.close()
    if ((error as { errcode?: number }).errcode !== sqliteBusy) throw error
    throw new Error(
      `another server serves the data folder ${folder}; stop it, or give this one a folder of its own ` +
        '(dataDir, PRATIQUE_DATA_DIR)',
      { cause: error },
    )
  }
  return { release: () => database.close() }
}
