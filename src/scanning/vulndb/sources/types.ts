import type { AffectedState, VersionRange } from '../tables.ts'

/** An advisory as it goes into the database. */
export interface Advisory {
  readonly id: string
  /** Other names of the same vulnerability. */
  readonly aliases: readonly string[]
  /** Vulnerabilities that a distribution's advisory is about, when it is not one vulnerability itself. */
  readonly covers?: readonly string[]
  readonly severity?: string
  readonly score?: number
  readonly summary: string
  /** Milliseconds since 1970; 0 when the record carries no date. */
  readonly modifiedAt: number
  readonly affected: readonly AffectedEntry[]
}

export interface AffectedEntry {
  readonly ecosystem: string
  readonly package: string
  readonly ranges: readonly VersionRange[]
  readonly versions: readonly string[]
  readonly state?: AffectedState
  readonly module?: string
}

/** What is known of a CVE apart from any package. */
export interface CveFact {
  readonly cve: string
  readonly severity?: string
  readonly score?: number
  /** A day, `2024-03-30`. */
  readonly exploitedSince?: string
  readonly probability?: number
  readonly percentile?: number
}

/** What a record of a source comes to. */
export type SourceRecord =
  | { readonly advisory: Advisory }
  | { readonly fact: CveFact; readonly modifiedAt?: number }
  /** Withdrawn, or it only informs. */
  | { readonly skipped: true }
  /** One entry of a document that cannot be read, and why. */
  | { readonly problem: string }

/** One address that a source is fetched from. */
export interface FeedRequest {
  /** Name of the source in the database: what is fetched replaces what was there under this name. */
  readonly source: string
  readonly url: string
  /** How the file is written, told by its name's end: `.zip`, `.json`, `.csv.gz`, `.tar.zst`. */
  readonly suffix: string
}

/** What is asked of the feeds. */
export interface FeedSelection {
  /** OSV's names: `Debian`, `npm`, … */
  readonly ecosystems: readonly string[]
  /** Alpine's branches: `v3.22`, `edge`, … */
  readonly alpineBranches: readonly string[]
}

/** A kind of advisory data: where it is published and how its records read. */
export interface SourceAdapter {
  readonly name: string
  readonly defaultUrl: string
  requests(url: string, selection: FeedSelection): readonly FeedRequest[]
  /** True when the record, one document or line of a file, has this source's form. */
  accepts(record: unknown): boolean
  /** Throws an error that says what is wrong with a record that cannot be read. */
  read(record: unknown): Iterable<SourceRecord>
}
