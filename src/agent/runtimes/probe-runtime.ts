import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { cgroupMode, removeGroups } from '../engine/cgroups.ts'
import { explainFailure, type Explanation } from './explain-failure.ts'
import { findProcesses, memoryOf, runTimeOf } from './measure-processes.ts'
import type { Way } from './probe-ways.ts'
import { runBounded, type Outcome } from './run-bounded.ts'
import { testExitCode } from './test-program.ts'
import { writeBundle } from './write-bundle.ts'

/** A way that did not work, and why. */
export interface FailedWay extends Explanation {
  readonly arguments: readonly string[]
}

/** What came of trying a low-level runtime on this machine. */
export interface Probe {
  readonly state: 'works' | 'broken' | 'untried'
  /** Options with which it works. */
  readonly arguments?: readonly string[]
  /** Median of what it takes to create and start a container. */
  readonly startMs?: number
  /** What the runtime holds for each container, besides the program in it. */
  readonly memoryBytes?: number
  /** Thousandths of a processor that it uses while the program in it does nothing. */
  readonly cpuMillicores?: number
  /** Of the first way, when none works; why it was not tried. */
  readonly why?: string
  readonly remedy?: string
  readonly failed: readonly FailedWay[]
}

export interface ProbeOptions {
  /** Starts that are measured; none: it is only tried. */
  readonly samples?: number
  /** The program in it is a process of the machine, and not counted to what the runtime holds. */
  readonly isProcess: boolean
  readonly folder?: string
  readonly idleMs?: number
}

/**
 * Whether a low-level runtime truly runs something here: it is given a container with a program of a few instructions,
 * whose exit code no runtime has by itself. Of the ways in which it can be called the first that works is measured.
 * Leaves nothing behind.
 */
export async function probeRuntime(
  ways: readonly Way[],
  { samples = 5, isProcess, folder = tmpdir(), idleMs = 500 }: ProbeOptions,
): Promise<Probe> {
  const own = mkdtempSync(join(folder, 'pratique-probe-'))
  const trial: Trial = {
    folder: own,
    group: `/${basename(own)}-${randomBytes(4).toString('hex')}`,
    isProcess,
    idleMs,
  }
  const failed: FailedWay[] = []
  try {
    if (!writeBundles(trial)) {
      return { state: 'untried', why: `there is no test program for ${process.arch}`, failed }
    }
    for (const way of ways) {
      const failure = await tryOnce(trial, way)
      if (failure) failed.push({ arguments: way.arguments, ...failure })
      else
        return { state: 'works', arguments: way.arguments, ...(await measure(trial, way, samples)), failed }
    }
    const [first] = failed
    return {
      state: 'broken',
      ...(first ? { why: first.why, remedy: first.remedy } : { why: 'there is no way to call it' }),
      failed,
    }
  } finally {
    await clear(trial)
  }
}

interface Trial {
  /** Of this probe only: its name is in the command line of all that is started for it. */
  readonly folder: string
  readonly group: string
  readonly isProcess: boolean
  readonly idleMs: number
}

function writeBundles({ folder, group }: Trial): boolean {
  const isRoot = process.getuid?.() === 0
  const rootless = isRoot ? undefined : { userId: process.getuid?.() ?? 0, groupId: process.getgid?.() ?? 0 }
  return (['exit', 'wait'] as const).every((kind) => {
    mkdirSync(join(folder, kind))
    const cgroupsPath = cgroupMode() === 'none' ? undefined : group
    return writeBundle(join(folder, kind), { kind, cgroupsPath, rootless })
  })
}

function newId(): string {
  return `pratique-probe-${randomBytes(6).toString('hex')}`
}

function call({ folder }: Trial, way: Way, ...command: string[]): Promise<Outcome> {
  const { program, arguments: argv } = way.commandLine(join(folder, 'state'), command)
  return runBounded(program, argv, { timeoutMs: way.timeoutMs, folder })
}

/** Undefined when the program ran. */
async function tryOnce(trial: Trial, way: Way): Promise<Explanation | undefined> {
  const id = newId()
  try {
    const { code, said, isTimedOut } = await call(
      trial,
      way,
      'run',
      '--bundle',
      join(trial.folder, 'exit'),
      id,
    )
    return code === testExitCode ? undefined : explainFailure(said, isTimedOut)
  } finally {
    await remove(trial, way, id)
  }
}

/** Killed by us first, as some runtimes wait for a second or two after they have killed. */
async function remove(trial: Trial, way: Way, id: string): Promise<void> {
  killAll(findProcesses(basename(trial.folder)))
  await call(trial, way, 'delete', '--force', id)
}

type Measured = Pick<Probe, 'startMs' | 'memoryBytes' | 'cpuMillicores'>

async function measure(trial: Trial, way: Way, samples: number): Promise<Measured> {
  const times: number[] = []
  let held: Measured = {}
  for (let sample = 0; sample < samples; sample++) {
    const id = newId()
    try {
      const took = await start(trial, way, id)
      if (took === undefined) continue
      times.push(took)
      if (sample === 0) held = await measureHeld(trial)
    } finally {
      await remove(trial, way, id)
    }
  }
  if (times.length === 0) return {}
  return { startMs: Math.round(median(times) * 10) / 10, ...held }
}

/** Milliseconds from the call until the program runs; undefined when it did not. */
async function start(trial: Trial, way: Way, id: string): Promise<number | undefined> {
  const bundle = join(trial.folder, 'wait')
  const created = await call(trial, way, 'create', '--bundle', bundle, '--pid-file', pidFile(trial), id)
  if (created.code !== 0) return undefined
  const started = await call(trial, way, 'start', id)
  return started.code === 0 ? created.tookMs + started.tookMs : undefined
}

function pidFile({ folder }: Trial): string {
  return join(folder, 'pid')
}

async function measureHeld(trial: Trial): Promise<Measured> {
  const first = Number(readFileSync(pidFile(trial), 'utf8'))
  const find = (): number[] =>
    [...new Set([...findProcesses(basename(trial.folder)), first])].filter(
      (pid) => !trial.isProcess || pid !== first,
    )
  const processes = find()
  const before = runTimeOf(processes)
  await wait(trial.idleMs)
  const nanoseconds = Math.max(0, runTimeOf(processes) - before)
  return {
    memoryBytes: memoryOf(processes),
    cpuMillicores: Math.round(nanoseconds / 1_000 / trial.idleMs),
  }
}

/** The middle one; of an even number the lower of the two. */
export function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor((values.length - 1) / 2)] ?? Number.NaN
}

/** What hung is killed first: nothing else ends it. */
async function clear({ folder, group }: Trial): Promise<void> {
  killAll(findProcesses(basename(folder)))
  for (let tries = 0; tries < 50 && findProcesses(basename(folder)).length > 0; tries++) await wait(20)
  removeGroups(group)
  rmSync(folder, { recursive: true, force: true })
}

function killAll(processes: readonly number[]): void {
  for (const pid of processes) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It ended by itself.
    }
  }
}
