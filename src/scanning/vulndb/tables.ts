import type { DatabaseSync } from 'node:sqlite'

/*
 * The vulnerability database is a file of its own, built whole and swapped in. It is only ever read after
 * that, so it is plain SQLite.
 */

/** Where a set of advisories came from. */
export interface AdvisorySource {
  readonly name: string
  readonly records: number
  /** Milliseconds since 1970: the newest change in it; 0 when its records carry no dates. */
  readonly builtAt: number
}

/** What an advisory says of one package. */
export interface AffectedPackage {
  readonly id: string
  readonly aliases: readonly string[]
  readonly severity: string | undefined
  readonly score: number | undefined
  readonly summary: string
  readonly source: string
  readonly ranges: readonly VersionRange[]
  readonly versions: readonly string[]
}

/** OSV events of one range, `introduced`, `fixed` and `last_affected`. */
export interface VersionRange {
  readonly events: readonly {
    readonly introduced?: string
    readonly fixed?: string
    readonly last_affected?: string
  }[]
}

const schema = `
  create table meta (name text primary key, value text not null);
  create table source (name text primary key, records integer not null, built_at integer not null);
  create table advisory (
    key integer primary key, id text not null, source text not null, aliases text not null,
    severity text, score real, summary text not null
  );
  create index advisory_by_source on advisory (source);
  create table affected (
    ecosystem text not null, package text not null, advisory integer not null,
    ranges text not null, versions text not null
  );
  create index affected_by_package on affected (ecosystem, package);
  create index affected_by_advisory on affected (advisory);
  create table cve (id text primary key, severity text, score real);
`

/** Makes an empty database file. */
export function createTables(database: DatabaseSync): void {
  database.exec(schema)
}
