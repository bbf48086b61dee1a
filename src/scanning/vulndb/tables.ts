import type { DatabaseSync } from 'node:sqlite'
import type { FixState } from '../types.ts'

/*
 * The vulnerability database is a file of its own, built whole and swapped in. Its advisories are only ever
 * read after that, so it is plain SQLite; only the columns that say when a feed was asked change in place.
 */

/** Raised with every change of the tables: a file of another number is not opened, and is built anew. */
export const schemaVersion = 2

/** Where a set of advisories came from. */
export interface AdvisorySource {
  readonly name: string
  /** 0: the source was asked for and never had. */
  readonly records: number
  /** Milliseconds since 1970: the newest change in it; 0 when its records carry no dates. */
  readonly builtAt: number
  /** When its feed last said that this is what it has; absent for what came from a file. */
  readonly checkedAt?: number
  /** Why the last attempt to fetch it failed. */
  readonly error?: string
}

/** What a source says of an ecosystem: it speaks for it, as of this date. */
export interface SourceCoverage {
  readonly source: string
  /** The newest record that speaks for this ecosystem; 0 where the records carry no dates. */
  readonly builtAt: number
}

/** `not-affected`: the source rules the vulnerability out, against any other source's claim. */
export type AffectedState = Exclude<FixState, 'fixed'> | 'not-affected'

/** What an advisory says of one package. */
export interface AffectedPackage {
  readonly id: string
  /** Other names of the same vulnerability. */
  readonly aliases: readonly string[]
  /** Vulnerabilities that an advisory of a distribution is about; each is a finding of its own. */
  readonly covers: readonly string[]
  readonly severity: string | undefined
  readonly score: number | undefined
  readonly summary: string
  readonly source: string
  readonly ranges: readonly VersionRange[]
  readonly versions: readonly string[]
  /** Undefined: the ranges tell it all. */
  readonly state: AffectedState | undefined
  /** rpm: `name:stream` of the module; empty for a modular build whose stream the source does not name. */
  readonly module: string | undefined
}

/** OSV events of one range, `introduced`, `fixed`, `last_affected` and `limit`. */
export interface VersionRange {
  readonly events: readonly VersionEvent[]
}

export interface VersionEvent {
  readonly introduced?: string
  readonly fixed?: string
  readonly last_affected?: string
  readonly limit?: string
}

const schema = `
  create table meta (name text primary key, value text not null);
  create table source (
    name text primary key, records integer not null, built_at integer not null, checked_at integer,
    url text, etag text, last_modified text, error text
  );
  create table coverage (
    ecosystem text not null, source text not null, built_at integer not null,
    primary key (ecosystem, source)
  ) without rowid;
  create table advisory (
    key integer primary key, id text not null, source text not null, aliases text not null,
    covers text not null, severity text, score real, summary text not null
  );
  create index advisory_by_source on advisory (source);
  create table affected (
    ecosystem text not null, package text not null, advisory integer not null,
    ranges text not null, versions text not null, state text, module text
  );
  create index affected_by_package on affected (ecosystem, package);
  create index affected_by_advisory on affected (advisory);
  create table cve (
    id text not null, source text not null, severity text, score real, exploited_since text,
    probability real, percentile real, primary key (id, source)
  ) without rowid;
  create index cve_by_source on cve (source);
  create table alias (id text primary key, cve text not null) without rowid;
  create table package_state (
    ecosystem text not null, package text not null, digest text not null, primary key (ecosystem, package)
  ) without rowid;
  pragma user_version = ${schemaVersion};
`

/** Makes an empty database file. */
export function createTables(database: DatabaseSync): void {
  database.exec(schema)
}

/** True for a file that this version of the product wrote. */
export function hasOurTables(database: DatabaseSync): boolean {
  const { user_version } = database.prepare('pragma user_version').get() as { user_version: number }
  return user_version === schemaVersion
}
