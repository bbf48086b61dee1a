import type { Cataloger } from '../types.ts'
import { isArchiveName, readArchives } from './read-archives.ts'

const zipMagic = Buffer.from('PK', 'latin1')

/**
 * Java archives, and the archives in them: the artifacts that Maven recorded, else what manifest and file name say.
 * A jar that tells no version is nothing that could be matched, and is passed over.
 */
export const java: Cataloger = {
  name: 'java',
  maximumBytes: 2 * 1024 ** 3,
  wants: (path, head) =>
    isArchiveName(path) && (head.subarray(0, 2).equals(zipMagic) || isAlwaysArchive(path)),
  read: (path, file) => readArchives(path, file),
}

/** Other endings mean other things as well. */
function isAlwaysArchive(path: string): boolean {
  return /\.(?:jar|war|ear)$/i.test(path)
}
