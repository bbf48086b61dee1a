import { readFileSync } from 'node:fs'
import { cgroupMode, readUsage, type Usage } from './cgroups.ts'
import { cgroupPath } from './engine-parts.ts'
import type { ContainerRecord, PodRecord } from './types.ts'

/** Of processors, as Linux counts for programs (sysconf(3), _SC_CLK_TCK). */
const ticksPerSecond = 100

/** What a process uses, where the machine tells it (proc(5)). */
export function processUsage(pid: number | undefined): Usage {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    const memoryBytes = Number(resident) * 1024
    return {
      cpuNanoseconds: ((Number(fields[11]) + Number(fields[12])) * 1e9) / ticksPerSecond,
      memoryBytes,
      workingSetBytes: memoryBytes,
    }
  } catch {
    return {}
  }
}

/** What a container uses by its control groups; where it has none, what its first process does. */
export function containerUsage(pod: PodRecord, { id, pid }: ContainerRecord): Usage {
  return cgroupMode() === 'none' ? processUsage(pid) : readUsage(cgroupPath(pod, id))
}
