import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ScanningFailure } from '../failures.ts'
import type { ImportReport } from './import-advisories.ts'
import { runImport } from './run-import.ts'

/** Where advisories are fetched from: `<url>/<ecosystem>/all.zip` (OSV's public layout). */
export interface FeedSettings {
  readonly url: string
  readonly ecosystems: readonly string[]
}

const maximumFeedBytes = 4 * 1024 ** 3
const timeoutMs = 600_000

/**
 * Fetches every feed and builds one new database out of them. A feed that cannot be had fails the whole
 * update, and the database in use stays. Redirects are not followed: the address is what was configured.
 */
export async function updateFromFeeds(folder: string, feeds: FeedSettings): Promise<ImportReport> {
  const downloads = join(folder, `download-${randomUUID()}`)
  await mkdir(downloads, { recursive: true })
  try {
    for (const ecosystem of feeds.ecosystems) await download(feeds.url, ecosystem, downloads)
    return await runImport(folder, downloads)
  } finally {
    await rm(downloads, { recursive: true, force: true })
  }
}

async function download(base: string, ecosystem: string, folder: string): Promise<void> {
  const url = `${base.replace(/\/$/, '')}/${encodeURIComponent(ecosystem)}/all.zip`
  let answer: Response
  try {
    answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
  } catch (error) {
    throw new ScanningFailure(
      'VULNDB_FEED',
      `the feed ${url} cannot be reached: ${String((error as Error).cause ?? error)}`,
    )
  }
  if (!answer.ok || !answer.body)
    throw new ScanningFailure('VULNDB_FEED', `the feed ${url} answered ${answer.status}`)
  let bytes = 0
  const limit = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maximumFeedBytes) done(new ScanningFailure('VULNDB_FEED', `the feed ${url} is too large`))
      else done(null, chunk)
    },
  })
  const name = `${ecosystem.replaceAll(/[^A-Za-z0-9.-]/g, '_')}.zip`
  await pipeline(Readable.fromWeb(answer.body as never), limit, createWriteStream(join(folder, name)))
}
