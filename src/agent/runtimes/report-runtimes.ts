import type { AgentConfig } from '../../runtime/offline.ts'
import type { Backend } from '../cri/backend.ts'
import { CriFailure } from '../cri/failures.ts'
import type { EngineRuntime } from '../engine/types.ts'
import type { RuntimeProgram } from './find-programs.ts'
import { joinPrograms } from './join-programs.ts'
import { recogniseRuntime } from './known-runtimes.ts'
import { readHandlers, type BackendFacts, type HandlerFacts } from './read-handlers.ts'
import type { RuntimeReport } from './types.ts'

export interface ReportedBackend {
  readonly kind: RuntimeReport['kind']
  readonly backend: Backend
  /** Handlers that the configuration names, for a runtime that does not tell them. */
  readonly handlers?: readonly string[]
  /** The programs of its handlers, of the engine. */
  readonly runtimes?: readonly EngineRuntime[]
}

export interface ReportOptions extends Pick<AgentConfig, 'handlers'> {
  /** What is installed; without it nothing is said of programs. */
  readonly programs?: readonly RuntimeProgram[]
}

/** A handler of the node, and whether pods that name none get it from its backend. */
export interface FoundRuntime extends RuntimeReport {
  readonly isBackendDefault: boolean
  /** Its backend answers, and says that it is ready. */
  readonly isReady: boolean
  /** `io.containerd.runc.v2`. */
  readonly shim?: string
}

/**
 * Every handler of every backend. A handler is called as its backend calls it, unless one before it has that name:
 * then the backend's name is put in front. Names of the configuration come first. A backend that does not answer is
 * reported as broken with what it said.
 */
export async function reportRuntimes(
  backends: readonly ReportedBackend[],
  config: ReportOptions = {},
): Promise<FoundRuntime[]> {
  const { programs } = config
  const reported = await Promise.all(
    backends.map(async (backend) => {
      const found = await reportBackend(backend)
      return programs ? joinPrograms(found, programs, backend.runtimes) : found
    }),
  )
  const found = reported.flat()
  const named = new Map(Object.entries(config.handlers ?? {}).map(([name, one]) => [keyOf(one), name]))
  const taken = new Set(named.values())
  return found.map((one) => {
    const own = named.get(keyOf({ backend: one.backend, handler: one.backendHandler }))
    if (own !== undefined) return { ...one, handler: own }
    const handler = taken.has(one.handler) ? `${one.backend}-${one.handler}` : one.handler
    taken.add(handler)
    return { ...one, handler }
  })
}

function keyOf({ backend, handler }: { readonly backend: string; readonly handler: string }): string {
  return `${backend}/${handler}`
}

async function reportBackend({ kind, backend, handlers = [] }: ReportedBackend): Promise<FoundRuntime[]> {
  try {
    const facts = await readHandlers(backend)
    const told = facts.handlers.map(({ name }) => name)
    const more = handlers.filter((name) => !told.includes(name))
    // What the configuration names is more than the nameless default of a runtime that tells nothing.
    const all: readonly HandlerFacts[] = [
      ...facts.handlers,
      ...more.map((name) => ({ name, isDefault: false, features: [] })),
    ]
    return all.map((one) => ({
      ...reportOf(kind, backend, one),
      daemon: `${facts.runtime} ${facts.version}`.trim(),
      ...stateOf(kind, facts),
      isReady: facts.isReady,
    }))
  } catch (error) {
    if (!(error instanceof CriFailure)) throw error
    const names = handlers.length > 0 ? handlers : ['']
    return names.map((name) => ({
      ...reportOf(kind, backend, { name, isDefault: name === '', features: [] }),
      state: 'broken' as const,
      why: explain(error),
    }))
  }
}

/** Of a daemon that is ready it is known that it answers, not that its programs run. */
function stateOf(
  kind: RuntimeReport['kind'],
  { isReady, why }: BackendFacts,
): Pick<RuntimeReport, 'state' | 'why'> {
  if (!isReady) return { state: 'broken', why: why === '' ? 'it says that it is not ready' : why }
  return { state: kind === 'wasm' ? 'works' : 'untried' }
}

/** Docker's packages install containerd with its CRI switched off. */
function explain({ code, message }: CriFailure): string {
  if (code !== 'UNIMPLEMENTED') return message
  return `it does not speak the CRI (${message}): take "cri" out of disabled_plugins in /etc/containerd/config.toml and restart containerd`
}

/** Modules in a worker of the agent. */
const embeddedWasm = { name: 'node-wasi', isolation: 'wasm-sandbox' } as const

function reportOf(kind: RuntimeReport['kind'], backend: Backend, facts: HandlerFacts): FoundRuntime {
  const { name, program, shim, features, isDefault } = facts
  const known = recogniseRuntime([program, shim, name]) ?? (kind === 'wasm' ? embeddedWasm : undefined)
  return {
    handler: name === '' ? backend.name : name,
    backend: backend.name,
    backendHandler: name,
    kind,
    runtime: known?.name ?? 'unknown',
    program,
    version: undefined,
    features,
    isolation: known?.isolation,
    state: 'untried',
    isBackendDefault: isDefault,
    isReady: false,
    ...(shim === undefined ? {} : { shim }),
  }
}
