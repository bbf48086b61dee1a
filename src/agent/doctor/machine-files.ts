import { globSync, readdirSync, readFileSync, statSync, type Stats } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import type { Machine, Report } from './types.ts'

const maximumBytes = 8 * 1024 * 1024

/** The path on this machine of a path on the node. */
export function place({ root }: Machine, path: string): string {
  return join(root, normalize(path))
}

export function findStats(machine: Machine, path: string): Stats | undefined {
  return statSync(place(machine, path), { throwIfNoEntry: false })
}

/** The text of a file; undefined when there is none. Throws when it cannot be read. */
export function findText(machine: Machine, path: string): string | undefined {
  const stats = findStats(machine, path)
  if (!stats) return undefined
  if (stats.size > maximumBytes) throw new Error(`it has more than ${maximumBytes} bytes`)
  return readFileSync(place(machine, path), 'utf8')
}

/** Names in a folder, sorted as runtimes sort them; empty when there is no folder, or it is not ours to see. */
export function listNames(machine: Machine, path: string): string[] {
  try {
    return findStats(machine, path)?.isDirectory() ? readdirSync(place(machine, path)).toSorted() : []
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return []
    throw error
  }
}

/** Paths on the node that fit a pattern with `*`, sorted. */
export function findPaths(machine: Machine, pattern: string): string[] {
  const under = place(machine, '/')
  return globSync(place(machine, pattern))
    .map((path) => `/${path.slice(under.length)}`.replace('//', '/'))
    .toSorted()
}

/** Whoever can write a file, or swap it in its folder, decides what runs. Tells nothing when it is missing. */
export function checkOwner(machine: Machine, report: Report, name: string, path: string): void {
  const wrong = [path, dirname(path)].flatMap((one) => {
    const stats = findStats(machine, one)
    if (!stats) return []
    if (stats.uid !== machine.ownerId) return [`${one} belongs to user ${stats.uid}`]
    return (stats.mode & 0o022) === 0
      ? []
      : [`${one} can be written by others (${(stats.mode & 0o777).toString(8)})`]
  })
  if (wrong.length > 0) {
    report.problem(
      name,
      wrong.join('; '),
      'Give it to root and take the right to write from all others (chown root:root, chmod go-w).',
    )
  } else if (findStats(machine, path)) {
    report.ok(name, `${path} can be written by root only`)
  }
}
