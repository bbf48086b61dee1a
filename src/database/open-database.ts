import { Kysely, Migrator, type Transaction } from 'kysely'
import { nodeSqliteDialect } from './node-sqlite-dialect.ts'
import { migrations } from './migrations/index.ts'
import type { Tables } from './tables.ts'

/** A handle that can run queries: the database itself, or a transaction on it. */
export type Database = Kysely<Tables>
export type DatabaseTransaction = Transaction<Tables>

/** Opens the SQLite file at `path` (or `:memory:`) and brings its schema up to date. */
export async function openDatabase(path: string): Promise<Database> {
  const database = new Kysely<Tables>({ dialect: nodeSqliteDialect(path) })
  const migrator = new Migrator({ db: database, provider: { getMigrations: async () => migrations } })
  const { error } = await migrator.migrateToLatest()
  if (error) {
    await database.destroy()
    throw new Error(`the database at ${path} could not be migrated`, { cause: error })
  }
  return database
}
