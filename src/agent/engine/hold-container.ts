import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { CriFailure } from '../cri/failures.ts'
import { holderOf, type Holder } from './holder.ts'
import { frame, FrameReader, frameTypes, type FrameType } from './shim/frames.ts'
import type { ExitRecord, ShimJob, ShimStart } from './shim/job.ts'

const program = new URL('shim/shim.ts', import.meta.url).pathname
/** Longer than a slow machine takes to start a sandbox. */
const startMs = 60_000
const answerMs = 5_000

export interface Held {
  readonly holder: Holder
  /** Of the container's first process. */
  readonly pid: number
}

/**
 * Starts a shim with a job and waits until the container runs. `began` is told of the shim at once, so that it can be
 * written down before anything else happens. Throws FAILED_PRECONDITION with why the container does not run.
 */
export async function holdContainer(
  folder: string,
  job: ShimJob,
  { began, exited }: { readonly began: (holder: Holder) => void; readonly exited: () => void },
): Promise<Held> {
  const file = join(folder, 'job.json')
  writeFileSync(file, JSON.stringify(job), { mode: 0o600 })
  rmSync(job.exitFile, { force: true })
  const flags = ['--max-semi-space-size=1', '--max-old-space-size=64', '--no-warnings']
  const child = spawn(process.execPath, [...flags, program, file], {
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    // The shim sees no more of the agent than it needs.
    env: {
      PATH: process.env['PATH'] ?? '',
      // Without a place for compiled code it would start in twice the time.
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(folder, '../../compile-cache'),
      MALLOC_ARENA_MAX: '1',
    },
  })
  child.once('exit', exited)
  const told = firstWord(child)
  const holder = holderOf(child.pid ?? 0)
  if (holder.pid > 0) began(holder)
  const start = await told
  child.stdout.destroy()
  child.unref()
  if ('pid' in start) return { holder, pid: start.pid }
  child.kill('SIGKILL')
  throw new CriFailure('FAILED_PRECONDITION', `the container does not start: ${start.failed}`)
}

function firstWord(child: ChildProcessByStdio<null, Readable, null>): Promise<ShimStart> {
  const { promise, resolve } = Promise.withResolvers<ShimStart>()
  const fail = (failed: string): void => resolve({ failed })
  const timer = setTimeout(() => fail(`the shim did not say within ${startMs} ms that it runs`), startMs)
  child.once('error', (error) => fail(`its shim does not start: ${error.message}`))
  const lines = createInterface({ input: child.stdout })
  lines.once('line', (line) => resolve(JSON.parse(line) as ShimStart))
  // An error that it does not start at all comes later than that it says nothing.
  lines.once('close', () => setImmediate(() => fail('its shim ended without a word')))
  return promise.finally(() => clearTimeout(timer))
}

export function readExit(file: string): ExitRecord | undefined {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ExitRecord
  } catch {
    return undefined
  }
}

/** A client of a shim's socket. */
export interface ShimClient {
  send(type: FrameType, content?: Uint8Array): boolean
  readonly socket: Socket
}

/** Connects to a shim; `take` gets what it sends. Throws UNAVAILABLE when nothing listens. */
export async function attachShim(
  path: string,
  take: (type: number, content: Buffer) => void,
): Promise<ShimClient> {
  const socket = connect(path)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', (error) =>
      reject(new CriFailure('UNAVAILABLE', `the container cannot be reached: ${error.message}`)),
    )
  })
  const reader = new FrameReader()
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    for (const { type, content } of reader.read(chunk)) take(type, content)
  })
  return { socket, send: (type, content) => socket.write(frame(type, content)) }
}

/** Has a shim open its log file again. */
export async function reopenLog(path: string): Promise<void> {
  const done = Promise.withResolvers<void>()
  const client = await attachShim(path, (type) => {
    if (type === frameTypes.done) done.resolve()
  })
  const timer = setTimeout(
    () => done.reject(new CriFailure('DEADLINE_EXCEEDED', 'the shim does not answer')),
    answerMs,
  )
  client.send(frameTypes.reopenLog)
  try {
    await done.promise
  } finally {
    clearTimeout(timer)
    client.socket.destroy()
  }
}
