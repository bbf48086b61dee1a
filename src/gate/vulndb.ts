import { createReadStream, readFileSync } from 'node:fs'
import {
  describeDatabase,
  importBundle,
  readPublicKey,
  runImport,
  updateFromFeeds,
  VulnerabilityDatabases,
  type FeedSettings,
} from '../scanning/offline.ts'

/** Version, age and sources of the database in a folder. */
export function status(folder: string, now: number): ReturnType<typeof describeDatabase> {
  const databases = new VulnerabilityDatabases(folder)
  try {
    return describeDatabase(databases, now)
  } finally {
    databases.close()
  }
}

/** Imports a file of advisories into the database in a folder. */
export function importFile(folder: string, path: string): ReturnType<typeof runImport> {
  return runImport(folder, path)
}

/** Puts the database of a bundle into use that the key has signed. */
export function useBundle(
  folder: string,
  path: string,
  keyFile: string,
  allowOlder: boolean,
): ReturnType<typeof importBundle> {
  const keys = [readPublicKey(readFileSync(keyFile, 'utf8'))]
  return importBundle(folder, createReadStream(path), { keys, allowOlder })
}

/** Asks the feeds for what is new. */
export function update(folder: string, feeds: FeedSettings): ReturnType<typeof updateFromFeeds> {
  return updateFromFeeds(folder, feeds)
}
