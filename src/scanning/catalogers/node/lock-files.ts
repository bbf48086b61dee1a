import type { Cataloger, FileContent, FileFacts, FoundPackage } from '../types.ts'
import { readPackageLock } from './read-package-lock.ts'
import { readPlugAndPlay } from './read-plug-and-play.ts'
import { readPnpmLock } from './read-pnpm-lock.ts'
import { readYarnLock } from './read-yarn-lock.ts'

/** Packages of a lock file; undefined when it is not one. */
type ReadLock = (file: FileContent) => readonly FoundPackage[] | undefined

/** The nearer to what is really installed, the earlier: what comes later does not count beside it. */
const lockFiles: readonly (readonly [string, ReadLock])[] = [
  ['.pnp.cjs', readPlugAndPlay],
  ['.pnp.js', readPlugAndPlay],
  ['npm-shrinkwrap.json', readPackageLock],
  ['package-lock.json', readPackageLock],
  ['yarn.lock', readYarnLock],
  ['pnpm-lock.yaml', readPnpmLock],
]

/** Where other package managers keep their packages, a lock file is the package's own, for those who work on it. */
const insidePackage = /(?:^|\/)(?:node_modules|site-packages|dist-packages|gems|vendor|bower_components)\//

/**
 * Lock files at the root of an application. They count only where no `node_modules` beside them has packages: an
 * application that was bundled into one file, or that runs from Yarn's archives (Plug'n'Play).
 */
export const nodeLockFiles: Cataloger = {
  name: 'node-lock-files',
  maximumBytes: 64 * 1024 * 1024,
  wants: (path) => findLock(path) >= 0 && !insidePackage.test(path),
  read(path, file): FileFacts {
    const index = findLock(path)
    const [name, read] = lockFiles[index] as (typeof lockFiles)[number]
    const packages = read(file)
    if (packages === undefined) return { unknown: 'it is not a lock file that is understood' }
    const folder = path.slice(0, -name.length)
    const better = lockFiles.slice(0, index).map(([other]) => folder + other)
    return { packages, onlyWithout: [`${folder}node_modules/`, ...better] }
  },
}

function findLock(path: string): number {
  const name = path.slice(path.lastIndexOf('/') + 1)
  return lockFiles.findIndex(([known]) => known === name)
}
