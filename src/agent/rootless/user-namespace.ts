import { readFileSync } from 'node:fs'

/** A user namespace other than the machine's own, as this process is in. */
export interface UserNamespace {
  /** How many user ids it has. With one, everybody in it is its root. */
  readonly ids: number
}

const allIds = 2 ** 32 - 1

/** What an agent without root is told of who holds its namespaces. */
export const holderVariable = 'PRATIQUE_NAMESPACE_HOLDER'

/** Undefined in the machine's own, and where there are none (user_namespaces(7), "uid_map"). */
export function userNamespace(path = '/proc/self/uid_map'): UserNamespace | undefined {
  let map: string
  try {
    map = readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
  const sizes = map
    .trim()
    .split('\n')
    .map((line) => Number(line.trim().split(/\s+/)[2] ?? 0))
  const ids = sizes.reduce((sum, one) => sum + one, 0)
  return ids >= allIds ? undefined : { ids }
}

/** Which ids of the machine those of images are here; empty in the machine's own namespace. */
export function idMapping(): string {
  if (!userNamespace()) return ''
  const read = (kind: 'uid' | 'gid'): string => readFileSync(`/proc/self/${kind}_map`, 'utf8')
  return `${read('uid')}${read('gid')}`.replace(/\s+/g, ' ')
}

/** Whether files can be given to whoever an image says. */
export function canGiveFiles(): boolean {
  return process.getuid?.() === 0 && (userNamespace()?.ids ?? allIds) > 1
}
