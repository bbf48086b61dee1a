import { DatabaseSync, type StatementSync, type SQLInputValue } from 'node:sqlite'
import type { CompiledQuery } from 'kysely'
import {
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type Kysely,
  type QueryResult,
} from 'kysely'
import { createMutex, type Mutex } from './mutex.ts'

const maximumCachedStatements = 500

/**
 * Kysely on Node's built-in SQLite. Reads outside a transaction go to a connection of their own and never
 * wait; writes and transactions take turns on one writer, so no statement can meet a lock of this process.
 */
export function nodeSqliteDialect(path: string): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new NodeSqliteDriver(path),
    createIntrospector: (database: Kysely<never>) => new SqliteIntrospector(database),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}

class NodeSqliteDriver implements Driver {
  readonly #path: string
  readonly #turns = createMutex()
  #writer: Handle | undefined
  #reader: Handle | undefined

  constructor(path: string) {
    this.#path = path
  }

  async init(): Promise<void> {
    this.#writer = openHandle(this.#path)
    // An in-memory database lives in one connection, so there the reader has to be the writer.
    this.#reader = this.#path === ':memory:' ? this.#writer : openHandle(this.#path)
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    if (!this.#writer || !this.#reader) throw new Error('the database is not open')
    return new NodeSqliteConnection(this.#writer, this.#reader, this.#turns)
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as NodeSqliteConnection).begin()
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    ;(connection as NodeSqliteConnection).end('commit')
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    ;(connection as NodeSqliteConnection).end('rollback')
  }

  async releaseConnection(): Promise<void> {}

  async destroy(): Promise<void> {
    if (this.#reader !== this.#writer) this.#reader?.database.close()
    this.#writer?.database.close()
    this.#reader = this.#writer = undefined
  }
}

class NodeSqliteConnection implements DatabaseConnection {
  readonly #writer: Handle
  readonly #reader: Handle
  readonly #turns: Mutex
  #release: (() => void) | undefined

  constructor(writer: Handle, reader: Handle, turns: Mutex) {
    this.#writer = writer
    this.#reader = reader
    this.#turns = turns
  }

  async begin(): Promise<void> {
    const release = await this.#turns.acquire()
    try {
      this.#writer.database.exec('begin immediate')
    } catch (error) {
      release()
      throw error
    }
    this.#release = release
  }

  end(how: 'commit' | 'rollback'): void {
    const release = this.#release
    if (!release) throw new Error(`${how} outside a transaction`)
    try {
      this.#writer.database.exec(how)
    } catch (error) {
      if (how === 'commit') this.#writer.database.exec('rollback')
      throw error
    } finally {
      this.#release = undefined
      release()
    }
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.#release) return run<Row>(this.#writer, query)
    if (query.query.kind === 'SelectQueryNode') return run<Row>(this.#reader, query)
    const release = await this.#turns.acquire()
    try {
      return run<Row>(this.#writer, query)
    } finally {
      release()
    }
  }

  async *streamQuery<Row>(query: CompiledQuery): AsyncIterableIterator<QueryResult<Row>> {
    const handle = this.#release ? this.#writer : this.#reader
    // A statement of its own: a cached one could be reset by the same query run in between.
    const statement = handle.database.prepare(query.sql)
    for (const row of statement.iterate(...(query.parameters as SQLInputValue[]))) {
      yield { rows: [row as Row] }
    }
  }
}

interface Handle {
  readonly database: DatabaseSync
  readonly statements: Map<string, StatementSync>
}

function openHandle(path: string): Handle {
  const database = new DatabaseSync(path)
  // WAL lets readers go on beside the writer; FULL makes a commit survive a power cut.
  database.exec(
    'pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 10000',
  )
  return { database, statements: new Map() }
}

function run<Row>(handle: Handle, query: CompiledQuery): QueryResult<Row> {
  const statement = prepared(handle, query.sql)
  const parameters = query.parameters as SQLInputValue[]
  if (statement.columns().length > 0) return { rows: statement.all(...parameters) as Row[] }
  const { changes, lastInsertRowid } = statement.run(...parameters)
  return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) }
}

/** Prepared statements are kept, the longest unused one is dropped first. */
function prepared(handle: Handle, sql: string): StatementSync {
  const known = handle.statements.get(sql)
  if (known) handle.statements.delete(sql)
  const statement = known ?? handle.database.prepare(sql)
  handle.statements.set(sql, statement)
  if (handle.statements.size > maximumCachedStatements) {
    handle.statements.delete(handle.statements.keys().next().value as string)
  }
  return statement
}
