import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { userNamespace } from '../rootless/user-namespace.ts'

/** How the kernel's control groups are mounted (kernel documentation, cgroup-v1 and cgroup-v2). */
export type CgroupMode = 'v1' | 'v2' | 'hybrid' | 'none'

const root = '/sys/fs/cgroup'

export function cgroupMode(
  mounts = readFileSync('/proc/self/mountinfo', 'utf8'),
  isOwner = userNamespace() === undefined,
): CgroupMode {
  // Those of the machine are not those of an account.
  if (!isOwner) return 'none'
  const kinds = mounts.split('\n').flatMap((line) => {
    const [, mount = '', type = ''] = /^\S+ \S+ \S+ \S+ (\S+) .* - (\S+) /.exec(line) ?? []
    return mount.startsWith(root) && type.startsWith('cgroup') ? [{ mount, type }] : []
  })
  const hasV1 = kinds.some(({ type }) => type === 'cgroup')
  const hasV2 = kinds.some(({ type }) => type === 'cgroup2')
  if (hasV1) return hasV2 ? 'hybrid' : 'v1'
  return hasV2 ? 'v2' : 'none'
}

/** What a container used; undefined where its groups tell nothing. */
export interface Usage {
  readonly cpuNanoseconds?: number | undefined
  readonly memoryBytes?: number | undefined
  /** Without what the kernel can take back at once. */
  readonly workingSetBytes?: number | undefined
  readonly processes?: number | undefined
  readonly oomKills?: number | undefined
}

/** Reads what the groups at a path below their roots say, in either version. */
export function readUsage(path: string, mode: CgroupMode = cgroupMode()): Usage {
  if (mode === 'v2') {
    const folder = join(root, path)
    const memoryBytes = number(join(folder, 'memory.current'))
    const inactive = field(join(folder, 'memory.stat'), 'inactive_file') ?? 0
    const microseconds = field(join(folder, 'cpu.stat'), 'usage_usec')
    return {
      memoryBytes,
      workingSetBytes: memoryBytes === undefined ? undefined : Math.max(0, memoryBytes - inactive),
      cpuNanoseconds: microseconds === undefined ? undefined : microseconds * 1_000,
      processes: number(join(folder, 'pids.current')),
      oomKills: field(join(folder, 'memory.events'), 'oom_kill'),
    }
  }
  const memory = join(root, 'memory', path)
  const memoryBytes = number(join(memory, 'memory.usage_in_bytes'))
  const inactive = field(join(memory, 'memory.stat'), 'total_inactive_file') ?? 0
  return {
    memoryBytes,
    workingSetBytes: memoryBytes === undefined ? undefined : Math.max(0, memoryBytes - inactive),
    cpuNanoseconds: number(join(root, 'cpuacct', path, 'cpuacct.usage')),
    processes: number(join(root, 'pids', path, 'pids.current')),
    oomKills: field(join(memory, 'memory.oom_control'), 'oom_kill'),
  }
}

/** Takes empty groups away, in every hierarchy; what is in use stays. */
export function removeGroups(path: string, mode: CgroupMode = cgroupMode()): void {
  if (mode === 'none') return
  const roots = mode === 'v2' ? [root] : readdirSync(root).map((name) => join(root, name))
  for (const one of roots) {
    try {
      rmdirSync(join(one, path))
    } catch {
      // Not there, or not empty.
    }
  }
}

function number(path: string): number | undefined {
  if (!existsSync(path)) return undefined
  const value = Number(readFileSync(path, 'utf8'))
  return Number.isFinite(value) ? value : undefined
}

function field(path: string, name: string): number | undefined {
  if (!existsSync(path)) return undefined
  const line = readFileSync(path, 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length + 1))
}
