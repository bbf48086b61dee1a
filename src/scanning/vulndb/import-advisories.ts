import { randomBytes } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ScanningFailure } from '../failures.ts'
import { highestScore } from './cvss.ts'
import { currentFile, pointerName } from './open-vulnerability-database.ts'
import { isSecdb, readSecdb } from './read-alpine.ts'
import { readOsv, type Advisory } from './read-osv.ts'
import { isAdvisoryFile, readRecords } from './read-records.ts'
import { createTables } from './tables.ts'

const shownErrors = 20

/** What an import did. */
export interface ImportReport {
  readonly version: string
  readonly sources: readonly { readonly name: string; readonly records: number; readonly skipped: number }[]
  /** Records that could not be read, the first few by name. */
  readonly errors: readonly string[]
  readonly errorCount: number
}

/**
 * Builds the next vulnerability database from advisories in a file or folder and swaps it in. The current
 * one is copied first; a source of the same name is replaced, the others stay. Readers never see half of it:
 * a crash leaves the old database in use.
 */
export async function importAdvisories(folder: string, path: string, now: number): Promise<ImportReport> {
  mkdirSync(folder, { recursive: true })
  const building = join(folder, `building-${randomBytes(6).toString('hex')}.sqlite`)
  const current = currentFile(folder)
  if (current) copyFileSync(current, building)
  const database = new DatabaseSync(building)
  try {
    // Nobody reads this file before it is whole, so it needs no journal.
    database.exec('pragma journal_mode = off; pragma synchronous = off')
    if (!current) createTables(database)
    const report = await importFiles(database, path, now)
    const version = `${new Date(now).toISOString().replace(/\D/g, '').slice(0, 14)}-${randomBytes(3).toString('hex')}`
    const setMeta = database.prepare('insert or replace into meta values (?, ?)')
    setMeta.run('version', version)
    setMeta.run('imported_at', String(now))
    const check = database.prepare('pragma integrity_check').get() as { integrity_check: string }
    if (check.integrity_check !== 'ok')
      throw new Error(`the new database is damaged: ${check.integrity_check}`)
    database.exec('pragma synchronous = full; vacuum')
    database.close()
    swapIn(folder, building, version)
    return { version, ...report }
  } catch (error) {
    if (database.isOpen) database.close()
    rmSync(building, { force: true })
    throw error
  }
}

/** The pointer is replaced by a rename, which is whole or not at all; older files go once nothing names them. */
function swapIn(folder: string, building: string, version: string): void {
  const name = `${version}.sqlite`
  renameSync(building, join(folder, name))
  const pointer = join(folder, pointerName)
  const next = `${pointer}.${randomBytes(4).toString('hex')}`
  writeFileSync(next, name, { flush: true })
  renameSync(next, pointer)
  const outdated = readdirSync(folder).filter(
    (file) => /^\d{14}-[0-9a-f]+\.sqlite$/.test(file) && file !== name,
  )
  // The one before stays: a reader in another process may be about to open it.
  for (const file of outdated.toSorted().slice(0, -1)) rmSync(join(folder, file), { force: true })
}

async function importFiles(
  database: DatabaseSync,
  path: string,
  now: number,
): Promise<Pick<ImportReport, 'sources' | 'errors' | 'errorCount'>> {
  if (!existsSync(path)) throw new ScanningFailure('ADVISORIES_INVALID', `there is nothing at ${path}`)
  const files = statSync(path).isDirectory()
    ? readdirSync(path)
        .filter(isAdvisoryFile)
        .toSorted()
        .map((name) => join(path, name))
    : [path]
  const sources: { name: string; records: number; skipped: number }[] = []
  const errors: string[] = []
  let errorCount = 0
  for (const file of files) {
    const name = basename(file).replace(/\.(?:json|jsonl|jsonl\.gz|zip)$/, '')
    if (name === 'MANIFEST') continue
    const writer = new SourceWriter(database, name)
    for await (const read of readRecords(file)) {
      const problem = 'record' in read ? writer.add(read.record) : `${read.place}: ${read.error}`
      if (problem === undefined) continue
      errorCount++
      if (errors.length < shownErrors) errors.push(`${name}: ${problem}`)
    }
    sources.push(writer.finish(now))
  }
  if (sources.every(({ records }) => records === 0)) {
    throw new ScanningFailure(
      'ADVISORIES_INVALID',
      `no advisory was found at ${basename(path)}; expected OSV records as .json, .jsonl, .jsonl.gz or .zip`,
      { detail: errors },
    )
  }
  return { sources, errors, errorCount }
}

/** Replaces one source: what it held goes, what is added takes its place, in one transaction. */
class SourceWriter {
  readonly #database: DatabaseSync
  readonly #name: string
  #records = 0
  #skipped = 0
  #newest = 0

  constructor(database: DatabaseSync, name: string) {
    this.#database = database
    this.#name = name
    database.exec('begin')
    database
      .prepare('delete from affected where advisory in (select key from advisory where source = ?)')
      .run(name)
    database.prepare('delete from advisory where source = ?').run(name)
  }

  /** Adds a record. Gives why it could not be, if so. */
  add(record: unknown): string | undefined {
    try {
      const { cve, almalinux, cvss } = (record ?? {}) as Record<string, unknown>
      if (typeof cve === 'string' && (almalinux !== undefined || cvss !== undefined)) {
        this.#addSeverity(cve, almalinux, cvss)
        return undefined
      }
      if (isSecdb(record)) for (const advisory of readSecdb(record)) this.#insert(advisory)
      else {
        const advisory = readOsv(record)
        if (advisory) this.#insert(advisory)
        else this.#skipped++
      }
      return undefined
    } catch (error) {
      const id = (record as { id?: unknown } | null)?.id
      return `${typeof id === 'string' ? id : 'a record'}: ${(error as Error).message}`
    }
  }

  finish(now: number): { name: string; records: number; skipped: number } {
    if (this.#records > 0) {
      const builtAt = Math.min(this.#newest, now)
      this.#database
        .prepare('insert or replace into source values (?, ?, ?)')
        .run(this.#name, this.#records, builtAt)
    }
    this.#database.exec('commit')
    return { name: this.#name, records: this.#records, skipped: this.#skipped }
  }

  #addSeverity(cve: string, word: unknown, vector: unknown): void {
    const score = typeof vector === 'string' ? highestScore([vector]) : undefined
    this.#prepare('insert or replace into cve values (?, ?, ?)').run(
      cve,
      typeof word === 'string' ? word.toLowerCase() : null,
      score ?? null,
    )
    this.#records++
  }

  #insert(advisory: Advisory): void {
    const { id, aliases, severity, score, summary } = advisory
    const { lastInsertRowid } = this.#prepare(
      'insert into advisory (id, source, aliases, severity, score, summary) values (?, ?, ?, ?, ?, ?)',
    ).run(id, this.#name, JSON.stringify(aliases), severity ?? null, score ?? null, summary)
    for (const entry of advisory.affected) {
      this.#prepare('insert into affected values (?, ?, ?, ?, ?)').run(
        entry.ecosystem,
        entry.package,
        lastInsertRowid,
        JSON.stringify(entry.ranges),
        JSON.stringify(entry.versions),
      )
    }
    this.#records++
    this.#newest = Math.max(this.#newest, advisory.modifiedAt)
  }

  readonly #statements = new Map<string, ReturnType<DatabaseSync['prepare']>>()
  #prepare(sql: string): ReturnType<DatabaseSync['prepare']> {
    const known = this.#statements.get(sql)
    if (known) return known
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}
