import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const maximumOutput = 64 * 1024

export interface Outcome {
  /** Undefined when it could not be started, was killed, or took too long. */
  readonly code: number | undefined
  /** What it wrote on both outputs, at most 64 KiB; or why it could not be started. */
  readonly said: string
  readonly isTimedOut: boolean
  readonly tookMs: number
}

/**
 * Runs a program until it ends, and kills it with its whole group when its time is up. Its output goes into a file:
 * a runtime hands its outputs on to the container that it leaves behind, and a pipe would stay open with that.
 */
export async function runBounded(
  program: string,
  argv: readonly string[],
  { timeoutMs, folder = tmpdir() }: { readonly timeoutMs: number; readonly folder?: string },
): Promise<Outcome> {
  const own = mkdtempSync(join(folder, 'pratique-run-'))
  const output = openSync(join(own, 'output'), 'w+', 0o600)
  try {
    const { code, isTimedOut, tookMs, why } = await runOnce(program, argv, output, timeoutMs)
    return { code, isTimedOut, tookMs, said: why ?? readStart(output) }
  } finally {
    closeSync(output)
    rmSync(own, { recursive: true, force: true })
  }
}

interface Ended extends Omit<Outcome, 'said'> {
  readonly why?: string
}

function runOnce(
  program: string,
  argv: readonly string[],
  output: number,
  timeoutMs: number,
): Promise<Ended> {
  const begun = performance.now()
  return new Promise((resolve) => {
    const child = spawn(program, [...argv], { detached: true, stdio: ['ignore', output, output] })
    let isTimedOut = false
    const timer = setTimeout(() => {
      isTimedOut = true
      killGroup(child.pid)
    }, timeoutMs)
    const end = (ended: Pick<Ended, 'code' | 'why'>): void => {
      clearTimeout(timer)
      resolve({ ...ended, isTimedOut, tookMs: performance.now() - begun })
    }
    child.once('error', (error: NodeJS.ErrnoException) =>
      end({ code: undefined, why: error.code === 'ENOENT' ? `there is no ${program}` : error.message }),
    )
    child.once('exit', (code) => end({ code: isTimedOut ? undefined : (code ?? undefined) }))
  })
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

function readStart(output: number): string {
  const bytes = Buffer.alloc(maximumOutput)
  return bytes
    .subarray(0, readSync(output, bytes, 0, maximumOutput, 0))
    .toString('utf8')
    .trim()
}
