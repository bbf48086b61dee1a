/** The metadata store: tables, migrations, and the handle on which every subject runs its queries. */
export { openDatabase, type Database, type DatabaseTransaction } from './open-database.ts'
export { lockFolder } from './lock-folder.ts'
export { createMutex, type Mutex } from './mutex.ts'
export type { Tables } from './tables.ts'
export { nodeSqliteDialect } from './node-sqlite-dialect.ts'
