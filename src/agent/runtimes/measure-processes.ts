import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const pageBytes = 4096

/** Processes that belong to a container, by its id in their command lines or control groups. */
export function findProcesses(id: string, proc = '/proc'): number[] {
  return readdirSync(proc)
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter(
      (name) =>
        read(join(proc, name, 'cmdline')).includes(id) || read(join(proc, name, 'cgroup')).includes(id),
    )
    .map(Number)
}

/** Bytes of memory that processes hold: what they share with each other is counted for each (proc(5), `statm`). */
export function memoryOf(processes: readonly number[], proc = '/proc'): number {
  const pages = processes.map((pid) => Number(read(join(proc, `${pid}`, 'statm')).split(' ')[1] ?? 0))
  return pages.reduce((sum, one) => sum + one, 0) * pageBytes
}

/** Nanoseconds that all threads of processes have run for (kernel documentation, `schedstat`). */
export function runTimeOf(processes: readonly number[], proc = '/proc'): number {
  const threads = processes.flatMap((pid) =>
    list(join(proc, `${pid}`, 'task')).map((one) => join(proc, `${pid}`, 'task', one)),
  )
  const times = threads.map((thread) => Number(read(join(thread, 'schedstat')).split(' ')[0] ?? 0))
  return times.reduce((sum, one) => sum + one, 0)
}

/** Processes end at any time; what is gone tells nothing. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}
