import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import type { EngineRuntime } from '../engine/types.ts'
import type { RuntimeProgram } from './find-programs.ts'
import type { FoundRuntime } from './report-runtimes.ts'

/** Which installed program is behind each handler of one backend, with its version and features. */
export function joinPrograms(
  found: readonly FoundRuntime[],
  programs: readonly RuntimeProgram[],
  engineRuntimes: readonly EngineRuntime[] = [],
): FoundRuntime[] {
  return found.map((one) => {
    if (one.kind === 'wasm') return joinWasm(one, programs)
    if (one.kind === 'cri') return joinShim(one, programs)
    const path = engineRuntimes.find(({ handler }) => handler === one.backendHandler)?.program
    if (path !== undefined && !existsSync(path)) return missing(one, path)
    return describe(one, path, findProgram(programs, path))
  })
}

/** Node is always there. */
function joinWasm(one: FoundRuntime, programs: readonly RuntimeProgram[]): FoundRuntime {
  if (one.runtime === 'node-wasi') return { ...one, version: process.versions.node }
  const program = programs.find(({ runtime, shim }) => runtime === one.runtime && shim === undefined)
  return { ...describe(one, program?.path, program), state: 'untried' }
}

function missing(one: FoundRuntime, path: string): FoundRuntime {
  const why = `there is no ${path}: install it, or correct its path in node.json`
  return { ...one, program: path, state: 'broken', why }
}

const runcShim = 'io.containerd.runc.v2'
const gvisorHangs =
  'gVisor behind the shim of runc hangs when its pod is stopped: install containerd-shim-runsc-v1 and set runtime_type to io.containerd.runsc.v1, or use the runsc of the embedded engine'

/** Debian installs the name with a crun that was built without. */
const bareCrun =
  'this crun was built without Wasm (crun --version tells no +WASM): install one that has it, or wasmtime or wasmedge'

/** These shims start no program of their own that could be called instead. */
const wholeShims = ['kata', 'wasmtime', 'wasmedge', 'spin']

function joinShim(one: FoundRuntime, programs: readonly RuntimeProgram[]): FoundRuntime {
  const shim = programs.find((program) => program.shim !== undefined && program.shim === one.shim)
  if (one.shim !== undefined && !shim) {
    return {
      ...one,
      state: 'broken',
      why: `there is no ${shimProgram(one.shim)} on this machine: install it, or take the handler out of the configuration of ${one.backend}`,
    }
  }
  if (shim && wholeShims.includes(one.runtime)) return describe(one, shim.path, shim)
  if (one.runtime === 'runsc' && one.shim === runcShim && (one.daemon ?? '').startsWith('containerd 1.')) {
    return {
      ...describe(one, one.program, findProgram(programs, one.program)),
      state: 'broken',
      why: gvisorHangs,
    }
  }
  const named = findProgram(programs, one.program)
  const usual = programs.find(({ runtime, shim: type }) => runtime === one.runtime && type === undefined)
  // What the daemon names and is not installed is not to be taken for another of its kind.
  const program = one.program === undefined ? usual : named
  return describe(one, program?.path ?? one.program, program)
}

function findProgram(
  programs: readonly RuntimeProgram[],
  path: string | undefined,
): RuntimeProgram | undefined {
  if (path === undefined) return undefined
  return programs.find((one) => (path.includes('/') ? one.path === path : basename(one.path) === path))
}

function describe(
  one: FoundRuntime,
  path: string | undefined,
  program: RuntimeProgram | undefined,
): FoundRuntime {
  const features = [...new Set([...one.features, ...(program?.features ?? [])])]
  const described = { ...one, program: path, version: program?.version, features }
  const isBare = one.runtime === 'crun-wasm' && program !== undefined && !features.includes('wasm')
  return isBare ? { ...described, state: 'broken', why: bareCrun } : described
}

/** containerd's runtime v2: `io.containerd.runsc.v1` is started as `containerd-shim-runsc-v1`. */
function shimProgram(shim: string): string {
  const [version = '', name = ''] = shim.split('.').toReversed()
  return `containerd-shim-${name}-${version}`
}
