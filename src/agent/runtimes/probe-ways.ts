import { accessSync, constants } from 'node:fs'
import { cgroupMode, type CgroupMode } from '../engine/cgroups.ts'
import { LowLevelRuntime, type CommandLine } from '../engine/low-level-runtime.ts'
import type { EngineRuntime, RuntimeKind } from '../engine/types.ts'

/** One way of calling a low-level runtime. */
export interface Way {
  /** Options that make the difference; none: as it comes. */
  readonly arguments: readonly string[]
  /** How long one command may take: some hang instead of failing. */
  readonly timeoutMs: number
  readonly commandLine: (root: string, command: readonly string[]) => CommandLine
}

const usualMs = 15_000
/** A virtual machine has to boot. */
const machineMs = 60_000
/** gVisor hangs where the processor's virtualisation is only half there. */
const kvmMs = 5_000

/** The ways to call a program that daemons may use, the usual one first. */
export function plainWays(kind: RuntimeKind, program: string, hasKvm = canUseKvm()): Way[] {
  const way = (options: readonly string[], timeoutMs = usualMs): Way => ({
    arguments: options,
    timeoutMs,
    commandLine: (root, command) => ({
      program,
      arguments: ['--root', root, ...(kind === 'runsc' ? ['--network=none'] : []), ...options, ...command],
    }),
  })
  switch (kind) {
    case 'runsc':
      // Which platform is the usual one changed over the years, and which ones there are, too.
      return [
        way([]),
        way(['--platform=systrap']),
        ...(hasKvm ? [way(['--platform=kvm'], kvmMs)] : []),
        way(['--platform=ptrace']),
      ]
    case 'crun':
      return [way([]), way(['--cgroup-manager=disabled'])]
    case 'kata':
      return [way([], machineMs)]
    default:
      return [way([])]
  }
}

/** The way in which the embedded engine calls a program, which goes around what some do not bear. */
export function engineWay(runtime: EngineRuntime, mode: CgroupMode = cgroupMode()): Way {
  return {
    arguments: [],
    timeoutMs: runtime.kind === 'kata' ? machineMs : usualMs,
    commandLine: (root, command) =>
      new LowLevelRuntime(runtime, root, mode).commandLine({ network: 'none' }, undefined, ...command),
  }
}

export function canUseKvm(path = '/dev/kvm'): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}
