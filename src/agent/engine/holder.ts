import { readFileSync } from 'node:fs'

/** A process, with the time of its start so that another one of the same number is not taken for it. */
export interface Holder {
  readonly pid: number
  readonly startTime: string
}

/** The process of this number as it is now. */
export function holderOf(pid: number): Holder {
  return { pid, startTime: startTimeOf(pid) ?? '' }
}

/** As a process wrote it down; undefined for what is none. */
export function readHolder(file: string): Holder | undefined {
  try {
    const { pid, startTime } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Holder>
    return Number.isSafeInteger(pid) && typeof startTime === 'string'
      ? { pid: pid as number, startTime }
      : undefined
  } catch {
    return undefined
  }
}

/** Whether the process is still that one, and not another with its number. */
export function isAlive({ pid, startTime }: Holder): boolean {
  if (startTimeOf(process.pid) !== undefined) return startTime !== '' && startTimeOf(pid) === startTime
  // Systems without proc(5) do not tell when it started: a process of that number has to do.
  try {
    return pid > 0 && process.kill(pid, 0)
  } catch {
    return false
  }
}

/** proc(5), /proc/pid/stat: the 22nd field, in ticks since the machine started. A zombie is not alive. */
export function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
