import { execFile } from 'node:child_process'
import { nodeConfigPath } from '../../runtime/node-config.ts'
import type { Machine } from './types.ts'

const runMs = 5_000
const maximumOutput = 4 * 1024 * 1024

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
