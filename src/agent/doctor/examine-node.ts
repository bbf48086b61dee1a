import { execFile } from 'node:child_process'
import { nodeConfigPath } from '../../runtime/offline.ts'
import { checkContainerd } from './check-containerd.ts'
import { checkContainers } from './check-containers.ts'
import { checkCrio } from './check-crio.ts'
import { checkNode } from './check-node.ts'
import { Report, type Check, type Machine } from './types.ts'

const runMs = 5_000
const maximumOutput = 4 * 1024 * 1024

/** Looks for all that would let an image run without being verified. Changes nothing. */
export async function examineNode(machine: Machine): Promise<Check[]> {
  const node = await checkNode(machine)
  const found = [
    ...(await checkContainerd(machine, node.config)),
    ...checkCrio(machine, node),
    ...checkContainers(machine, node),
  ]
  if (found.length === 0) {
    const report = new Report('node')
    report.unknown(
      'runtime',
      'no containerd, CRI-O or policy of containers/image was found',
      'Run it on a node, or name its root with --root.',
    )
    found.push(...report.checks)
  }
  return [...node.checks, ...found]
}

/** This machine, or the files of another one under a folder. */
export function machineAt(
  root: string,
  options: { now: number; nodeConfigPath?: string; ownerId?: number },
): Machine {
  const isThis = root === '/'
  return {
    root,
    ownerId: options.ownerId ?? 0,
    now: options.now,
    nodeConfigPath: options.nodeConfigPath ?? nodeConfigPath,
    // What is installed here says nothing of another root.
    run: async (program, argv) => (isThis ? runProgram(program, argv) : undefined),
  }
}

function runProgram(program: string, argv: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, [...argv], { timeout: runMs, maxBuffer: maximumOutput }, (error, stdout) => {
      resolve(error ? undefined : stdout)
    })
  })
}
