import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { ScanningFailure } from '../failures.ts'
import { downloadFeed, type Download } from './download-feed.ts'
import { listRequests, type FeedSettings } from './feeds.ts'
import type { ImportOutcome, ImportReport, SourceFile } from './import-advisories.ts'
import { withImportLock } from './import-lock.ts'
import { runImportThread } from './run-import.ts'
import type { FeedState } from './source-writer.ts'
import type { FeedRequest } from './sources/types.ts'
import { currentFile } from './swap-in.ts'
import { hasOurTables } from './tables.ts'

export type { FeedSettings } from './feeds.ts'

interface Problem {
  readonly name: string
  readonly error: string
}

interface Fetched {
  readonly request: FeedRequest
  readonly download: Download
}

/**
 * Asks every feed for what is new and builds one new database of it. A feed that cannot be had, or whose file is
 * damaged, keeps what there is of it and its date, and is named in the report; when none can be had and none was
 * there before, the update fails. Nothing new leaves the database as it is, but for when it was checked.
 */
export async function updateFromFeeds(folder: string, feeds: FeedSettings): Promise<ImportReport> {
  const requests = listRequests(feeds)
  return withImportLock(folder, async () => {
    const downloads = join(folder, 'downloads')
    await mkdir(downloads, { recursive: true })
    try {
      const fetched = await fetchAll(folder, downloads, requests)
      return await build(folder, fetched)
    } finally {
      await removeComplete(downloads)
    }
  })
}

async function fetchAll(
  folder: string,
  downloads: string,
  requests: readonly FeedRequest[],
): Promise<readonly Fetched[]> {
  const known = readFeedStates(folder)
  const fetched: Fetched[] = []
  // One after the other: these are others' servers, and the disk is the narrow place.
  for (const request of requests)
    fetched.push({ request, download: await downloadFeed(request, downloads, known.get(request.source)) })
  return fetched
}

async function build(folder: string, fetched: readonly Fetched[]): Promise<ImportReport> {
  const files = fetched.flatMap(({ request, download }): SourceFile[] =>
    download.outcome === 'fetched'
      ? [{ source: request.source, path: download.path, feed: download.state }]
      : [],
  )
  const unchanged = fetched
    .filter(({ download }) => download.outcome === 'unchanged')
    .map(({ request }) => request.source)
  const unreached = fetched.flatMap(({ request, download }): Problem[] =>
    download.outcome === 'failed' ? [{ name: request.source, error: download.error }] : [],
  )
  const outcome: ImportOutcome =
    files.length > 0
      ? await runImportThread({ folder, from: files })
      : { sources: [], errors: [], errorCount: 0 }
  const failed = [...unreached, ...(outcome.failed ?? [])]
  const version = noteChecks(folder, unchanged, failed)
  if (version === undefined)
    throw new ScanningFailure('VULNDB_FEED', failed.map(({ error }) => error).join('; '))
  return { ...outcome, version, unchanged, failed }
}

/** Parts stay, at most one for each feed, to be continued by the next update. */
async function removeComplete(downloads: string): Promise<void> {
  for (const name of await readdir(downloads))
    if (!/\.(?:part|etag)$/.test(name)) await rm(join(downloads, name), { force: true })
}

function readFeedStates(folder: string): ReadonlyMap<string, FeedState> {
  return withCurrent(
    folder,
    (database) => {
      const rows = database
        .prepare('select name, url, etag, last_modified from source where url is not null and records > 0')
        .all() as unknown as readonly {
        readonly name: string
        readonly url: string
        readonly etag: string | null
        readonly last_modified: string | null
      }[]
      return new Map(
        rows.map(({ name, url, etag, last_modified }) => [
          name,
          {
            url,
            ...(etag === null ? {} : { etag }),
            ...(last_modified === null ? {} : { lastModified: last_modified }),
          },
        ]),
      )
    },
    new Map<string, FeedState>(),
  )
}

/** Writes into the database in use what its feeds said. Gives its version; undefined when there is none. */
function noteChecks(
  folder: string,
  unchanged: readonly string[],
  failed: readonly Problem[],
): string | undefined {
  return withCurrent(
    folder,
    (database) => {
      const now = Date.now()
      database.exec('begin immediate')
      const check = database.prepare('update source set checked_at = ?, error = null where name = ?')
      for (const name of unchanged) check.run(now, name)
      const fail = database.prepare(
        `insert into source (name, records, built_at, error) values (?, 0, 0, ?)
         on conflict (name) do update set error = excluded.error`,
      )
      for (const { name, error } of failed) fail.run(name, error.slice(0, 500))
      database.exec('commit')
      const { value } = database.prepare("select value from meta where name = 'version'").get() as {
        value: string
      }
      return value
    },
    undefined,
  )
}

function withCurrent<Result>(
  folder: string,
  act: (database: DatabaseSync) => Result,
  fallback: Result,
): Result {
  const file = currentFile(folder)
  if (file === undefined) return fallback
  const database = new DatabaseSync(file)
  try {
    database.exec('pragma busy_timeout = 5000')
    return hasOurTables(database) ? act(database) : fallback
  } finally {
    database.close()
  }
}
