import { randomBytes } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ScanningFailure } from '../failures.ts'
import { writeAliases } from './alias-table.ts'
import { writePackageStates } from './package-state.ts'
import { advisorySuffix, isAdvisoryFile, readRecords } from './read-records.ts'
import { SourceWriter, type FeedState, type SourceReport } from './source-writer.ts'
import { currentFile, newVersion, swapIn } from './swap-in.ts'
import { createTables, hasOurTables } from './tables.ts'

const shownErrors = 20

/** What an import did. */
export interface ImportReport {
  readonly version: string
  readonly sources: readonly SourceReport[]
  /** Records that could not be read, the first few by name. */
  readonly errors: readonly string[]
  readonly errorCount: number
  /** Sources whose feed had nothing new. */
  readonly unchanged?: readonly string[]
  /** Sources that could not be had; what was there of them stays. */
  readonly failed?: readonly { readonly name: string; readonly error: string }[]
}

/** A file that becomes a source. */
export interface SourceFile {
  readonly source: string
  readonly path: string
  /** Where it was fetched; one that is damaged then leaves the source as it was. */
  readonly feed?: FeedState
}

/** Something of one source went wrong. */
interface SourceProblem {
  readonly name: string
  readonly error: string
}

/**
 * Builds the next vulnerability database from advisories in a file or folder and swaps it in. The current
 * one is copied first; a source of the same name is replaced, the others stay. Readers never see half of it:
 * a crash leaves the old database in use.
 */
export async function importAdvisories(folder: string, path: string, now: number): Promise<ImportReport> {
  const outcome = await importFiles(folder, filesAt(path), now)
  const { version, ...report } = outcome
  if (version !== undefined) return { version, ...report }
  throw new ScanningFailure(
    'ADVISORIES_INVALID',
    `no advisory was found at ${basename(path)}; expected OSV records as .json, .jsonl, .jsonl.gz or .zip, or a file of another source`,
    { detail: outcome.errors },
  )
}

/** What an import of files did; without a version nothing in them was of use, and nothing changed. */
export type ImportOutcome = Omit<ImportReport, 'version'> & { readonly version?: string }

/** As `importAdvisories`, from files under the names of their sources. */
export async function importFiles(
  folder: string,
  files: readonly SourceFile[],
  now: number,
): Promise<ImportOutcome> {
  mkdirSync(folder, { recursive: true })
  const building = join(folder, `building-${randomBytes(6).toString('hex')}.sqlite`)
  const database = openCopy(folder, building)
  try {
    const outcome = await readFiles(database, files, now)
    if (outcome.sources.length === 0) return outcome
    const version = newVersion(now)
    finishDatabase(database, version, now)
    database.close()
    swapIn(folder, building, version)
    return { version, ...outcome }
  } finally {
    if (database.isOpen) database.close()
    for (const suffix of ['', '-journal']) rmSync(`${building}${suffix}`, { force: true })
  }
}

/** A copy of the current database to build on; an empty one at first, or after the tables changed. */
function openCopy(folder: string, building: string): DatabaseSync {
  const current = currentFile(folder)
  if (current) copyFileSync(current, building)
  let database = new DatabaseSync(building)
  if (current && !hasOurTables(database)) {
    database.close()
    rmSync(building)
    database = new DatabaseSync(building)
  }
  // Nobody reads this file before it is whole: its journal only has to undo a source, not to survive a crash.
  database.exec('pragma synchronous = off; pragma cache_size = -65536')
  const isEmpty =
    (database.prepare('pragma user_version').get() as { user_version: number }).user_version === 0
  if (isEmpty) createTables(database)
  return database
}

function finishDatabase(database: DatabaseSync, version: string, now: number): void {
  writeAliases(database)
  writePackageStates(database)
  const setMeta = database.prepare('insert or replace into meta values (?, ?)')
  setMeta.run('version', version)
  setMeta.run('imported_at', String(now))
  const check = database.prepare('pragma integrity_check').get() as { integrity_check: string }
  if (check.integrity_check !== 'ok') throw new Error(`the new database is damaged: ${check.integrity_check}`)
  database.exec('pragma synchronous = full; vacuum')
}

function filesAt(path: string): readonly SourceFile[] {
  if (!existsSync(path)) throw new ScanningFailure('ADVISORIES_INVALID', `there is nothing at ${path}`)
  const files = statSync(path).isDirectory()
    ? readdirSync(path)
        .filter(isAdvisoryFile)
        .toSorted()
        .map((name) => join(path, name))
    : [path]
  return files
    .map((file) => ({ source: basename(file).replace(advisorySuffix, ''), path: file }))
    .filter(({ source }) => source !== 'MANIFEST')
}

async function readFiles(
  database: DatabaseSync,
  files: readonly SourceFile[],
  now: number,
): Promise<ImportOutcome> {
  const sources: SourceReport[] = []
  const errors: string[] = []
  const failed: SourceProblem[] = []
  let errorCount = 0
  const note = (problem: string): void => {
    errorCount++
    if (errors.length < shownErrors) errors.push(problem)
  }
  for (const file of files) {
    const read = await readFile(database, file, now, note)
    if ('error' in read) failed.push(read)
    else if (read.records + read.skipped > 0) sources.push(read)
  }
  return { sources, errors, errorCount, ...(failed.length === 0 ? {} : { failed }) }
}

/** A file without any record changes nothing; for a feed that is a failure, as a damaged file is. */
async function readFile(
  database: DatabaseSync,
  { source, path, feed }: SourceFile,
  now: number,
  note: (problem: string) => void,
): Promise<SourceReport | SourceProblem> {
  const writer = new SourceWriter(database, source)
  try {
    for await (const read of readRecords(path)) {
      const problems = 'record' in read ? writer.add(read.record) : [`${read.place}: ${read.error}`]
      for (const problem of problems) note(`${source}: ${problem}`)
    }
  } catch (error) {
    writer.abandon()
    if (feed) return { name: source, error: `the file is damaged: ${(error as Error).message}` }
    throw damaged(source, error as Error)
  }
  const { report } = writer
  if (report.records + report.skipped > 0) return writer.finish(now, feed)
  writer.abandon()
  return feed ? { name: source, error: 'the file holds no advisory' } : report
}

function damaged(source: string, error: Error): Error {
  if (error instanceof ScanningFailure) return error
  return new ScanningFailure('ADVISORIES_INVALID', `${source} is damaged: ${error.message}`, { cause: error })
}
