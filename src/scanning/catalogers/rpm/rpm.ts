import { namePackage } from '../name-package.ts'
import type { Cataloger, FileContent, FileFacts, FoundPackage } from '../types.ts'
import { BoundedFile, UnreadableDatabase } from './bounded-file.ts'
import { OwnedFiles } from './owned-files.ts'
import { isBerkeley, readBerkeley } from './read-berkeley.ts'
import { readHeader, type RpmHeader } from './read-header.ts'
import { isNdb, readNdb } from './read-ndb.ts'
import { isSqlite, readSqlite } from './read-sqlite.ts'

const folders = ['var/lib/rpm/', 'usr/lib/sysimage/rpm/', 'usr/share/rpm/']
const databases = ['rpmdb.sqlite', 'Packages.db', 'Packages']
/** By content: a database keeps its name when it is converted by hand. */
const formats = [
  { isFormat: isSqlite, readHeaders: readSqlite },
  { isFormat: isNdb, readHeaders: readNdb },
  { isFormat: isBerkeley, readHeaders: readBerkeley },
] as const

/** Packages that rpm has installed, and the files that they own. */
export const rpm: Cataloger = {
  name: 'rpm',
  maximumBytes: 1024 ** 3,
  wants: (path) => isIn(path, databases),
  read(_path, file) {
    const head = Buffer.from(file.read(0, 64))
    const format = formats.find(({ isFormat }) => isFormat(head))
    if (format === undefined) return { unknown: 'it is no rpm database of a known format' }
    return readDatabase(format.readHeaders(new BoundedFile(file)))
  },
}

/**
 * What was written to an SQLite database and has not got into its file yet. It is not put into the database here,
 * as its file may be of another layer; that it is not empty says that the database alone does not tell the truth.
 */
export const rpmJournal: Cataloger = {
  name: 'rpm-journal',
  maximumBytes: 1024 ** 3,
  wants: (path) => isIn(path, ['rpmdb.sqlite-wal', 'rpmdb.sqlite-journal']),
  read: (_path, file) =>
    isPending(file) ? { unknown: 'it holds changes that rpmdb.sqlite does not have yet' } : {},
}

/** A write-ahead log has more than its header of 32 bytes; a rollback journal that is done with begins with zeros. */
function isPending(file: FileContent): boolean {
  return file.sizeBytes > 32 && file.read(0, 8).some((byte) => byte !== 0)
}

function isIn(path: string, names: readonly string[]): boolean {
  return folders.some((folder) => path.startsWith(folder) && names.includes(path.slice(folder.length)))
}

/** What was read before a database turned out to be damaged still counts. */
function readDatabase(headers: Iterable<Buffer>): FileFacts {
  const packages: FoundPackage[] = []
  const owned = new OwnedFiles()
  const problems = new Set<string>()
  try {
    for (const bytes of headers) {
      const problem = addPackage(bytes, packages, owned)
      if (problem !== undefined && problems.size < 3) problems.add(problem)
    }
  } catch (error) {
    if (!(error instanceof UnreadableDatabase)) throw error
    problems.add(error.message)
  }
  if (owned.isFull) problems.add('its packages own more files than are kept')
  return {
    packages,
    ownedFiles: owned.paths,
    ...(problems.size > 0 ? { unknown: [...problems].join('; ') } : {}),
  }
}

/** Adds what a header tells; gives what is wrong with one that tells nothing. */
function addPackage(bytes: Buffer, packages: FoundPackage[], owned: OwnedFiles): string | undefined {
  try {
    const header = readHeader(bytes)
    // Keys to check signatures with are kept as if they were packages.
    if (header.name === 'gpg-pubkey') return undefined
    const found = toPackage(header)
    if (found === undefined) return 'a package has no name and version'
    packages.push(found)
    owned.add(header)
    return undefined
  } catch (error) {
    if (!(error instanceof UnreadableDatabase)) throw error
    return error.message
  }
}

function toPackage(header: RpmHeader): FoundPackage | undefined {
  const { name, version, release, epoch } = header
  if (!version || !release) return undefined
  const build = `${version}-${release}`
  const found = namePackage('rpm', name, epoch ? `${epoch}:${build}` : build)
  if (found === undefined) return undefined
  return {
    ...found,
    ...sourceOf(header, found.name, build),
    ...(header.architecture ? { architecture: header.architecture } : {}),
    ...(header.moduleLabel ? { module: header.moduleLabel } : {}),
    ...(header.vendor ? { vendor: header.vendor } : {}),
  }
}

/** `bash-5.1.8-6.el9.src.rpm`; told where name or version differ from the package's own. */
function sourceOf(
  { sourcePackage }: RpmHeader,
  name: string,
  build: string,
): Pick<FoundPackage, 'sourceName' | 'sourceVersion'> {
  const file = /^(.+)\.(?:src|nosrc)\.rpm$/.exec(sourcePackage ?? '')?.[1]
  const [release = '', version = ''] = file?.split('-').toReversed() ?? []
  const source = file?.slice(0, -(version.length + release.length + 2))
  if (!source || !version || !release) return {}
  return {
    ...(source === name ? {} : { sourceName: source }),
    ...(`${version}-${release}` === build ? {} : { sourceVersion: `${version}-${release}` }),
  }
}
