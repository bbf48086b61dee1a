import type { Clock } from '../../kernel/clock.ts'
import type { RuntimeKind } from '../engine/types.ts'
import type { WasmProgram } from '../wasm/types.ts'
import { probeModule } from './probe-module.ts'
import { probeRuntime, type Probe, type ProbeOptions } from './probe-runtime.ts'
import { engineWay, plainWays, type Way } from './probe-ways.ts'
import type { FoundRuntime } from './report-runtimes.ts'

/** What was found by trying, as it is kept in a report. */
export type Measurement = Pick<
  FoundRuntime,
  'state' | 'why' | 'startMs' | 'memoryBytes' | 'cpuMillicores' | 'arguments' | 'measuredAt'
>

export interface MeasureOptions extends Partial<ProbeOptions> {
  readonly clock: Clock
  readonly probe?: typeof probeRuntime
}

const kinds: readonly string[] = ['runc', 'crun', 'runsc', 'youki', 'kata'] satisfies RuntimeKind[]

/** Whether its program can be tried by itself; a shim of its own kind cannot. */
export function canBeTried({ kind, runtime, program, shim, state }: FoundRuntime): boolean {
  if (kind === 'wasm') return runtime === 'node-wasi' || program !== undefined
  if (program === undefined || !kinds.includes(runtime)) return false
  return state !== 'broken' && !(shim !== undefined && runtime === 'kata')
}

/**
 * Tries the program of each handler on this machine and measures it, one after another; what several handlers share
 * is tried once. The engine's handlers are called as the engine calls them, those of daemons as they come.
 */
export async function measureRuntimes(
  reports: readonly FoundRuntime[],
  { clock, probe = probeRuntime, ...options }: MeasureOptions,
): Promise<FoundRuntime[]> {
  const known = new Map<string, Promise<Probe>>()
  const measured: FoundRuntime[] = []
  for (const one of reports) {
    if (!canBeTried(one)) {
      measured.push(one)
      continue
    }
    const key = `${one.kind} ${one.program}`
    const probing =
      known.get(key) ??
      (one.kind === 'wasm'
        ? probeModule(wasmProgramOf(one), options.samples)
        : probe(waysOf(one), { ...options, isProcess: one.isolation === 'process' }))
    known.set(key, probing)
    measured.push({ ...one, ...measurementOf(one, await probing, clock) })
  }
  return measured
}

function wasmProgramOf({ handler, runtime, program }: FoundRuntime): WasmProgram {
  const kind = runtime === 'wasmtime' || runtime === 'wasmedge' ? runtime : 'node'
  return { handler, kind, ...(program === undefined ? {} : { program }) }
}

function waysOf({ kind, handler, runtime, program = '' }: FoundRuntime): Way[] {
  const known = runtime as RuntimeKind
  return kind === 'engine' ? [engineWay({ handler, kind: known, program })] : plainWays(known, program)
}

function measurementOf({ kind, backend }: FoundRuntime, probe: Probe, clock: Clock): Measurement {
  const { state, why, remedy, startMs, memoryBytes, cpuMillicores, arguments: options = [] } = probe
  const needs = kind === 'cri' && options.length > 0
  const told = needs
    ? `it works with ${options.join(' ')} only: see that ${backend} is configured so`
    : [why, remedy].filter((one) => one !== undefined).join('. ')
  return {
    state: needs ? 'untried' : state,
    ...(told === '' ? {} : { why: told }),
    ...(startMs === undefined ? {} : { startMs }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(cpuMillicores === undefined ? {} : { cpuMillicores }),
    ...(options.length === 0 ? {} : { arguments: options }),
    measuredAt: clock.now(),
  }
}
