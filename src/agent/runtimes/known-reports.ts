import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Clock } from '../../kernel/clock.ts'
import type { Log } from '../../kernel/log.ts'
import type { AgentConfig } from '../../runtime/offline.ts'
import { machineAt } from '../doctor/machine-at.ts'
import { describeOnce, findPrograms, type RuntimeProgram } from './find-programs.ts'
import { withMeasurements } from './keep-measurements.ts'
import { reportRuntimes, type FoundRuntime, type ReportedBackend } from './report-runtimes.ts'

/** A daemon may be changed at any time; one that is down is looked at more often. */
const refreshMs = 60_000
const refreshBrokenMs = 5_000

export interface KnownRuntimesOptions {
  readonly handlers?: AgentConfig['handlers']
  /** Where they are kept for `pratique runtimes`. */
  readonly path: string
  readonly log: Log
  /** What is installed. */
  readonly findPrograms?: () => Promise<readonly RuntimeProgram[]>
}

/** The runtimes of this node as they were last seen, looked at again from time to time. */
export class KnownRuntimes {
  readonly #backends: readonly ReportedBackend[]
  readonly #options: KnownRuntimesOptions
  readonly #findPrograms: () => Promise<readonly RuntimeProgram[]>
  /** Without what was measured. */
  #found: readonly FoundRuntime[] = []
  #reports: readonly FoundRuntime[] = []
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  private constructor(backends: readonly ReportedBackend[], options: KnownRuntimesOptions) {
    this.#backends = backends
    this.#options = options
    const describe = describeOnce()
    this.#findPrograms =
      options.findPrograms ?? (() => findPrograms(machineAt('/', { now: Date.now() }), describe))
  }

  static async open(
    backends: readonly ReportedBackend[],
    options: KnownRuntimesOptions,
  ): Promise<KnownRuntimes> {
    const known = new KnownRuntimes(backends, options)
    await known.refresh()
    return known
  }

  list(): readonly FoundRuntime[] {
    return this.#reports
  }

  find(backend: string, backendHandler: string): FoundRuntime | undefined {
    const own = this.#reports.filter((one) => one.backend === backend)
    if (backendHandler !== '') return own.find((one) => one.backendHandler === backendHandler)
    return own.find(({ isBackendDefault }) => isBackendDefault)
  }

  async refresh(): Promise<void> {
    clearTimeout(this.#timer)
    const { handlers, path } = this.#options
    const programs = await this.#findPrograms()
    this.#found = await reportRuntimes(this.#backends, { programs, ...(handlers ? { handlers } : {}) })
    this.#set(withMeasurements(this.#found, [...this.#reports, ...readReports(path)]))
    if (this.#isClosed) return
    const isDown = this.#found.some(({ isReady }) => !isReady)
    this.#timer = setTimeout(
      () =>
        void this.refresh().catch((error: unknown) => this.#options.log.error({ err: error }, 'runtimes')),
      isDown ? refreshBrokenMs : refreshMs,
    ).unref()
  }

  /**
   * Tries and measures what was not measured yet, or did not work then. Takes seconds for each program, so it is for
   * the time after the start.
   */
  async measure(clock: Clock): Promise<void> {
    const { measureRuntimes } = await import('./measure-runtimes.ts')
    const missing = this.#found.filter(({ backend, backendHandler }) => {
      const known = this.#reports.find(
        (one) => one.backend === backend && one.backendHandler === backendHandler,
      )
      return known?.measuredAt === undefined || known.state !== 'works'
    })
    for (const one of missing) {
      if (this.#isClosed) return
      const measured = await measureRuntimes([one], { clock })
      // They may have been looked at again in the meantime.
      this.#set(withMeasurements(this.#found, [...measured, ...this.#reports]))
    }
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #set(reports: readonly FoundRuntime[]): void {
    const { path, log } = this.#options
    this.#reports = reports
    try {
      writeReports(path, reports)
    } catch (error) {
      log.warn({ path, why: (error as Error).message }, 'what runtimes there are cannot be written down')
    }
  }
}

/** What an agent wrote; nothing when there is none, or it cannot be read. */
export function readReports(path: string): readonly FoundRuntime[] {
  try {
    const reports: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return Array.isArray(reports) ? (reports as FoundRuntime[]) : []
  } catch {
    return []
  }
}

export function writeReports(path: string, reports: readonly FoundRuntime[]): void {
  const next = `${path}.${process.pid}.new`
  writeFileSync(next, JSON.stringify(reports, null, 2), { mode: 0o644 })
  renameSync(next, path)
}
