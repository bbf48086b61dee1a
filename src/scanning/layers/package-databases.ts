import { posix } from 'node:path'
import { wantedBy } from './catalogue-file.ts'
import { normalisePath } from './normalise-path.ts'

/** Where systems keep what is installed. Without it nothing is known of most of an image. */
const databases = [
  'var/lib/dpkg/status',
  'var/lib/dpkg/status.d/any',
  'lib/apk/db/installed',
  'usr/lib/apk/db/installed',
  ...['var/lib/rpm', 'usr/lib/sysimage/rpm', 'usr/share/rpm'].flatMap((folder) =>
    ['rpmdb.sqlite', 'Packages.db', 'Packages'].map((name) => `${folder}/${name}`),
  ),
]

/** A package database, or a folder above one. */
export function isPackageDatabase(path: string): boolean {
  return path.startsWith('var/lib/dpkg/status.d/') || databasesAt(path).length > 0
}

/** A link at the place of a package database, or of a folder above one, that leads where none is looked for. */
export function hidesDatabase(path: string, target: string): boolean {
  const linked = posix.join(posix.isAbsolute(target) ? '/' : posix.dirname(path), target)
  return databasesAt(path).some((database) => {
    const real = normalisePath(linked + database.slice(path.length))
    return real === undefined || wantedBy(real, Buffer.alloc(0)).length === 0
  })
}

function databasesAt(path: string): string[] {
  const beginning = `${path}/`
  return databases.filter((database) => database === path || database.startsWith(beginning))
}
