import { createReadStream, readFileSync } from 'node:fs'
import {
  describeDatabase,
  describeImport,
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
export async function importFile(folder: string, path: string): Promise<ReturnType<typeof describeImport>> {
  return describeImport(await runImport(folder, path))
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
export async function update(
  folder: string,
  feeds: FeedSettings,
): Promise<ReturnType<typeof describeImport>> {
  return describeImport(await updateFromFeeds(folder, feeds))
}
