import type { Clock } from '../../kernel/clock.ts'
import { version } from '../../kernel/version.ts'
import type { AgentConfig, BackendConfig } from '../../runtime/offline.ts'
import { backendOf, type Backend } from '../cri/backend.ts'
import { connectBackend } from '../cri/connect-backend.ts'
import type { Machine } from '../doctor/types.ts'
import type { EngineRuntime } from '../engine/types.ts'
import { findWasmPrograms } from '../wasm/find-wasm-programs.ts'
import { findBackends } from './find-backends.ts'
import { findPrograms } from './find-programs.ts'
import { findRuntimes } from './find-runtimes.ts'
import { withMeasurements } from './keep-measurements.ts'
import { measureOnPod } from './measure-on-pod.ts'
import { measureRuntimes } from './measure-runtimes.ts'
import { reportRuntimes, type FoundRuntime, type ReportedBackend } from './report-runtimes.ts'

export interface ExamineOptions {
  readonly machine: Machine
  readonly clock: Clock
  /** What was measured before. */
  readonly before?: readonly FoundRuntime[]
  /** `programs`: tries each low-level runtime; `pods`: runs an empty pod on each CRI runtime as well. */
  readonly probe?: 'programs' | 'pods' | undefined
  readonly samples?: number
}

const podMs = 120_000

/**
 * The runtimes of this node as the agent would have them, without an agent: daemons are asked, the engine's programs
 * are looked at, and nothing of a running agent is touched.
 */
export async function examineRuntimes(
  config: Pick<AgentConfig, 'backends' | 'handlers'> | undefined,
  { machine, clock, before = [], probe, samples }: ExamineOptions,
): Promise<FoundRuntime[]> {
  const programs = await findPrograms(machine)
  const backends = findBackends(config, machine).map(openToLook)
  try {
    const found = await reportRuntimes(backends, {
      programs,
      ...(config?.handlers ? { handlers: config.handlers } : {}),
    })
    if (probe === undefined) return withMeasurements(found, before)
    const measured = await measureRuntimes(found, { clock, ...(samples === undefined ? {} : { samples }) })
    return probe === 'pods' ? await measurePods(backends, measured, clock) : measured
  } finally {
    await Promise.all(backends.map(({ backend }) => backend.close()))
  }
}

function openToLook(config: BackendConfig): ReportedBackend {
  const { kind, name } = config
  if (kind === 'cri') {
    const backend = connectBackend(name, config.socket)
    return { kind, backend, ...(config.handlers ? { handlers: config.handlers } : {}) }
  }
  if (kind === 'wasm')
    return {
      kind,
      backend: describedBackend(
        name,
        'pratique-wasm',
        findWasmPrograms().map(({ handler }) => handler),
      ),
    }
  const runtimes: readonly EngineRuntime[] = findRuntimes(config.runtimes)
  const handlers = runtimes.map(({ handler }) => handler)
  return { kind, backend: describedBackend(name, 'pratique-engine', handlers), runtimes }
}

/** Says what ours say of themselves, and runs nothing. */
function describedBackend(name: string, runtimeName: string, handlers: readonly string[]): Backend {
  const isReady = handlers.length > 0
  const message = isReady ? '' : 'there is no low-level runtime: install runc, crun or runsc'
  return backendOf(
    name,
    {
      Version: async () => ({
        version: '0.1.0',
        runtimeName,
        runtimeVersion: version,
        runtimeApiVersion: 'v1',
      }),
      Status: async () => ({
        status: { conditions: [{ type: 'RuntimeReady', status: isReady, message }] },
        runtimeHandlers: handlers.map((one) => ({ name: one, features: {} })),
      }),
    },
    async () => {},
  )
}

/** Of the pod as a whole, with the daemon's part of the work; one that cannot run a pod says why. */
async function measurePods(
  backends: readonly ReportedBackend[],
  reports: readonly FoundRuntime[],
  clock: Clock,
): Promise<FoundRuntime[]> {
  const measured: FoundRuntime[] = []
  for (const one of reports) {
    const backend = backends.find((other) => other.backend.name === one.backend)
    measured.push(
      backend && one.kind === 'cri' && one.state !== 'broken'
        ? await measurePod(backend.backend, one, clock)
        : one,
    )
  }
  return measured
}

async function measurePod(backend: Backend, one: FoundRuntime, clock: Clock): Promise<FoundRuntime> {
  try {
    const pod = await measureOnPod(backend, one.backendHandler, { signal: AbortSignal.timeout(podMs) })
    const { why: _, ...rest } = one
    return { ...rest, ...pod, state: 'works', measuredAt: clock.now() }
  } catch (error) {
    return {
      ...one,
      state: 'broken',
      why: `it runs no pod: ${(error as Error).message}`,
      measuredAt: clock.now(),
    }
  }
}
