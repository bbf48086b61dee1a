import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Log } from '../../kernel/log.ts'
import type { AgentConfig } from '../../runtime/offline.ts'
import { reportRuntimes, type FoundRuntime, type ReportedBackend } from './report-runtimes.ts'

/** A daemon may be changed at any time; one that is down is looked at more often. */
const refreshMs = 60_000
const refreshBrokenMs = 5_000

export interface KnownRuntimesOptions {
  readonly handlers?: AgentConfig['handlers']
  /** Where they are kept for `pratique runtimes`. */
  readonly path: string
  readonly log: Log
}

/** The runtimes of this node as they were last seen, looked at again from time to time. */
export class KnownRuntimes {
  readonly #backends: readonly ReportedBackend[]
  readonly #options: KnownRuntimesOptions
  #reports: readonly FoundRuntime[] = []
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  private constructor(backends: readonly ReportedBackend[], options: KnownRuntimesOptions) {
    this.#backends = backends
    this.#options = options
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
    const { handlers } = this.#options
    const found = await reportRuntimes(this.#backends, handlers ? { handlers } : {})
    const before = [...this.#reports, ...readReports(this.#options.path)]
    this.#reports = found.map((one) => withMeasurements(one, before))
    this.#write()
    if (this.#isClosed) return
    const isBroken = found.some(({ state }) => state === 'broken')
    this.#timer = setTimeout(
      () =>
        void this.refresh().catch((error: unknown) => this.#options.log.error({ err: error }, 'runtimes')),
      isBroken ? refreshBrokenMs : refreshMs,
    ).unref()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #write(): void {
    const { path, log } = this.#options
    try {
      writeFileSync(`${path}.new`, JSON.stringify(this.#reports, null, 2), { mode: 0o644 })
      renameSync(`${path}.new`, path)
    } catch (error) {
      log.warn({ path, why: (error as Error).message }, 'what runtimes there are cannot be written down')
    }
  }
}

/** What was measured stays, while the runtime is the same. */
function withMeasurements(found: FoundRuntime, before: readonly FoundRuntime[]): FoundRuntime {
  const measured = before.find(
    (one) =>
      one.backend === found.backend &&
      one.backendHandler === found.backendHandler &&
      one.version === found.version &&
      one.measuredAt !== undefined,
  )
  if (!measured) return found
  const { startMs, memoryBytes, measuredAt } = measured
  return {
    ...found,
    ...(found.state === 'untried' ? { state: 'works' } : {}),
    ...(startMs === undefined ? {} : { startMs }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(measuredAt === undefined ? {} : { measuredAt }),
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
