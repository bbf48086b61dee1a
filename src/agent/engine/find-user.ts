import { constants, closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { LayerPaths } from '../content/layer-paths.ts'
import { CriFailure } from '../cri/failures.ts'

const maximumBytes = 1 << 20

/** Who a process is (runtime-spec, "POSIX-platform User"). */
export interface ContainerUser {
  readonly uid: number
  readonly gid: number
  readonly additionalGids: readonly number[]
  readonly home: string
}

/**
 * The user of a container: `user[:group]`, names or numbers, looked up in the image's own `/etc/passwd` and
 * `/etc/group`; the other groups are those of the user, whatever group it is given. Links in the image are followed
 * inside of it. Throws FAILED_PRECONDITION for a name that it has not.
 */
export function findUser(root: string, wanted: string): ContainerUser {
  const [user = '', group] = wanted.split(':')
  const people = readTable(root, 'etc/passwd')
  const groups = readTable(root, 'etc/group')
  const person = people.find(([name, , uid]) => (isNumber(user) ? uid === user : name === (user || 'root')))
  if (!person && user !== '' && !isNumber(user)) {
    throw new CriFailure(
      'FAILED_PRECONDITION',
      `the image has no user ${JSON.stringify(user)} in its /etc/passwd`,
    )
  }
  const uid = Number(person?.[2] ?? (user || 0))
  const name = person?.[0]
  return {
    uid,
    gid: group === undefined ? Number(person?.[3] ?? 0) : findGroup(groups, group),
    additionalGids:
      name !== undefined
        ? groups.filter((one) => (one[3] ?? '').split(',').includes(name)).map((one) => Number(one[2]))
        : [],
    home: person?.[5] || '/',
  }
}

export function findGroup(groups: readonly string[][], group: string): number {
  if (isNumber(group)) return Number(group)
  const found = groups.find(([name]) => name === group)
  if (found) return Number(found[2])
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `the image has no group ${JSON.stringify(group)} in its /etc/group`,
  )
}

function isNumber(text: string): boolean {
  return /^\d{1,10}$/.test(text)
}

function readTable(root: string, path: string): string[][] {
  let text = ''
  try {
    // The file itself may be a link, and it must not lead to the machine's own.
    const place = join(root, new LayerPaths([root]).resolveWhole(path))
    const file = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const bytes = Buffer.alloc(maximumBytes)
    text = bytes.toString('utf8', 0, readSync(file, bytes, 0, maximumBytes, 0))
    closeSync(file)
  } catch {
    return []
  }
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter((fields) => fields.length >= 4 && isNumber(fields[2] ?? ''))
}
