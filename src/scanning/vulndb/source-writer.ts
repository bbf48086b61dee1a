import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { sourceAdapters } from './sources/index.ts'
import type { Advisory, AffectedEntry, CveFact, SourceRecord } from './sources/types.ts'

const maximumAffected = 100_000

/** Where the data of a source was fetched, and what the server called that state of it. */
export interface FeedState {
  readonly url: string
  readonly etag?: string
  readonly lastModified?: string
}

/** What came of one source. */
export interface SourceReport {
  readonly name: string
  readonly records: number
  /** Withdrawn, or only informing. */
  readonly skipped: number
}

/** Replaces one source: what it held goes, what is added takes its place, in one transaction. */
export class SourceWriter {
  readonly #database: DatabaseSync
  readonly #name: string
  readonly #statements = new Map<string, StatementSync>()
  /** By ecosystem, the newest record that speaks for it. */
  readonly #coverage = new Map<string, number>()
  #records = 0
  #skipped = 0
  #newest = 0

  constructor(database: DatabaseSync, name: string) {
    this.#database = database
    this.#name = name
    database.exec('begin')
    this.#prepare('delete from affected where advisory in (select key from advisory where source = ?)').run(
      name,
    )
    for (const table of ['advisory', 'cve', 'coverage'])
      this.#prepare(`delete from ${table} where source = ?`).run(name)
  }

  get report(): SourceReport {
    return { name: this.#name, records: this.#records, skipped: this.#skipped }
  }

  /** Adds what a record comes to. Gives what of it could not be read, and why. */
  add(record: unknown): readonly string[] {
    const problems: string[] = []
    try {
      const adapter = sourceAdapters.find((one) => one.accepts(record))
      if (!adapter) throw new Error('it has the form of no advisory source')
      for (const read of adapter.read(record))
        if ('problem' in read) problems.push(read.problem)
        else this.#write(read)
    } catch (error) {
      const id = (record as { id?: unknown } | null)?.id
      problems.push(`${typeof id === 'string' ? id : 'a record'}: ${(error as Error).message}`)
    }
    return problems
  }

  /** Keeps what was added. `fetched` tells where from and when. */
  finish(now: number, fetched?: FeedState): SourceReport {
    const dated = fetched?.lastModified === undefined ? 0 : Date.parse(fetched.lastModified) || 0
    // Feeds whose records carry no dates are as new as their file.
    const builtAt = Math.min(this.#newest || dated, now)
    for (const [ecosystem, newest] of this.#coverage)
      this.#prepare('insert or replace into coverage values (?, ?, ?)').run(
        ecosystem,
        this.#name,
        Math.min(newest || builtAt, now),
      )
    this.#prepare('insert or replace into source values (?, ?, ?, ?, ?, ?, ?, null)').run(
      this.#name,
      this.#records,
      builtAt,
      fetched ? now : null,
      fetched?.url ?? null,
      fetched?.etag ?? null,
      fetched?.lastModified ?? null,
    )
    this.#database.exec('commit')
    return this.report
  }

  /** Leaves the source as it was. */
  abandon(): void {
    this.#database.exec('rollback')
  }

  #write(read: Exclude<SourceRecord, { readonly problem: string }>): void {
    if ('skipped' in read) this.#skipped++
    else if ('fact' in read) this.#writeFact(read.fact, read.modifiedAt ?? 0)
    else this.#writeAdvisory(read.advisory)
  }

  #writeFact(fact: CveFact, modifiedAt: number): void {
    this.#prepare('insert or replace into cve values (?, ?, ?, ?, ?, ?, ?)').run(
      fact.cve,
      this.#name,
      fact.severity ?? null,
      fact.score ?? null,
      fact.exploitedSince ?? null,
      fact.probability ?? null,
      fact.percentile ?? null,
    )
    this.#records++
    this.#newest = Math.max(this.#newest, modifiedAt)
  }

  #writeAdvisory(advisory: Advisory): void {
    const { id, aliases, covers, severity, score, summary, affected, modifiedAt } = advisory
    if (affected.length > maximumAffected) throw new Error(`it names ${affected.length} packages`)
    const { lastInsertRowid } = this.#prepare(
      'insert into advisory (id, source, aliases, covers, severity, score, summary) values (?, ?, ?, ?, ?, ?, ?)',
    ).run(
      id,
      this.#name,
      JSON.stringify(aliases),
      JSON.stringify(covers ?? []),
      severity ?? null,
      score ?? null,
      summary,
    )
    for (const entry of affected) this.#writeAffected(entry, Number(lastInsertRowid), modifiedAt)
    this.#records++
    this.#newest = Math.max(this.#newest, modifiedAt)
  }

  #writeAffected(entry: AffectedEntry, advisory: number, modifiedAt: number): void {
    this.#prepare('insert into affected values (?, ?, ?, ?, ?, ?, ?)').run(
      entry.ecosystem,
      entry.package,
      advisory,
      JSON.stringify(entry.ranges),
      JSON.stringify(entry.versions),
      entry.state ?? null,
      entry.module ?? null,
    )
    const known = this.#coverage.get(entry.ecosystem) ?? 0
    this.#coverage.set(entry.ecosystem, Math.max(known, modifiedAt))
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql)
    if (known) return known
    const statement = this.#database.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}
