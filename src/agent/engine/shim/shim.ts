/**
 * Holds one container: its streams, its log and its exit code. It is a process of its own, so that the agent may end
 * and come back; it has no more in it than that, so that it is small and starts fast. Its argument is the job file.
 */
import { spawn } from 'node:child_process'
import { readFileSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { basename, dirname } from 'node:path'
import { CriLog } from '../../logs/cri-log.ts'
import { holderOf } from '../holder.ts'
import { frame, FrameReader, frameTypes } from './frames.ts'
import type { ExitRecord, ShimJob, ShimStart } from './job.ts'

/** A client that does not read is let go. */
const maximumWaitingBytes = 4 << 20
const maximumEarlyBytes = 64 << 10
/** How long streams may stay open after the container has ended, held by a process that it left. */
const drainMs = 2_000
const keepMs = 500

interface Held {
  readonly pid: number
  /** False when no more is to be written for now. */
  readonly write: (bytes: Buffer) => boolean
  readonly endInput: () => void
  readonly resize: (columns: number, rows: number) => void
}

const job = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as ShimJob
// An agent that was killed before it could write this down finds it here.
writeFileSync(job.shimFile, JSON.stringify(holderOf(process.pid)), { flush: true })
/** Those that asked for the streams of the container. */
const attached = new Set<Socket>()
/** Those that wrote faster than the container reads. */
const paused = new Set<Socket>()
let isStarted = job.isDirect ?? false
let hasTold = false
/** What an interactive container says before its first client is there is kept for it. */
let early: Buffer[] | undefined = job.stdin || job.tty ? [] : undefined
let earlyBytes = 0
let hasEnded = false
let reason: string | undefined
const log = openLog()

// The agent, or a terminal, may be gone: that ends no container.
for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGPIPE'] as const) process.on(signal, () => {})
process.stdout.on('error', () => {})

const held = job.tty ? await holdTerminal() : holdPipes()
serve()
if (job.isDirect) {
  writeFileSync(job.pidFile, String(held.pid))
  tell({ pid: held.pid })
} else watchForStart(job.pidFile)

function openLog(): CriLog | undefined {
  if (job.logPath === undefined) return undefined
  try {
    return new CriLog({ path: job.logPath, now: Date.now })
  } catch (error) {
    tell({ failed: `its log cannot be written: ${(error as Error).message}` })
    process.exit(1)
  }
}

/** A disk that is full, or a folder that is gone, costs lines of the log and not the container. */
function tryLog(write: (log: CriLog) => void): void {
  try {
    if (log) write(log)
  } catch {
    // Whoever reads the log sees that lines are missing; there is nowhere to say it.
  }
}

function holdPipes(): Held {
  const { program, arguments: argv, workingFolder: cwd, environment: env } = job
  const child = spawn(program, [...argv], {
    cwd,
    env,
    stdio: [job.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  })
  child.stdin?.on('error', () => {})
  child.stdin?.on('drain', () => {
    for (const client of paused) client.resume()
    paused.clear()
  })
  if (job.timeoutMs !== undefined) setTimeout(() => expire(child), job.timeoutMs)
  child.stdout?.on('data', (chunk: Buffer) => take('stdout', chunk))
  child.stderr?.on('data', (chunk: Buffer) => take('stderr', chunk))
  child.once('error', (error) => end(127, `${program} does not start: ${error.message}`))
  child.once('exit', (code, signal) => {
    const exitCode = code ?? 128 + (signalNumbers[signal ?? ''] ?? 9)
    const timer = setTimeout(() => end(exitCode), drainMs)
    child.once('close', () => {
      clearTimeout(timer)
      end(exitCode)
    })
  })
  return {
    pid: child.pid ?? 0,
    write: (bytes) => child.stdin?.write(bytes) ?? true,
    endInput: () => child.stdin?.end(),
    resize: () => {},
  }
}

function expire(child: { kill(signal: 'SIGKILL'): boolean }): void {
  reason = 'DeadlineExceeded'
  child.kill('SIGKILL')
}

async function holdTerminal(): Promise<Held> {
  const { spawn: spawnTerminal } = await import('@lydell/node-pty')
  const { program, arguments: argv, workingFolder: cwd, environment: env } = job
  const terminal = spawnTerminal(program, [...argv], { cwd, env, encoding: null, cols: 80, rows: 24 })
  terminal.onData((chunk) => take('stdout', Buffer.from(chunk as unknown as Uint8Array)))
  terminal.onExit(({ exitCode, signal }) => end(signal ? 128 + signal : exitCode))
  return {
    pid: terminal.pid,
    write(bytes) {
      terminal.write(bytes as unknown as string)
      return true
    },
    endInput: () => terminal.write('\u0004'),
    resize: (columns, rows) => terminal.resize(columns, rows),
  }
}

function take(stream: 'stdout' | 'stderr', chunk: Buffer): void {
  tryLog((one) => one.write(stream, chunk))
  const bytes = frame(frameTypes[stream], chunk)
  if (early && earlyBytes < maximumEarlyBytes) {
    early.push(bytes)
    earlyBytes += bytes.length
  }
  for (const client of attached) {
    if (client.writableLength > maximumWaitingBytes) client.destroy()
    else client.write(bytes)
  }
}

function serve(): void {
  rmSync(job.socket, { force: true })
  createServer(hear).listen(job.socket)
}

function hear(client: Socket): void {
  const reader = new FrameReader()
  client.on('error', () => client.destroy())
  client.on('close', () => {
    if (attached.delete(client) && job.stdinOnce) held.endInput()
  })
  client.on('data', (chunk: Buffer) => {
    try {
      for (const one of reader.read(chunk)) obey(client, one)
    } catch {
      client.destroy()
    }
  })
}

function attach(client: Socket): void {
  attached.add(client)
  for (const bytes of early ?? []) client.write(bytes)
  early = undefined
}

function obey(client: Socket, { type, content }: { readonly type: number; readonly content: Buffer }): void {
  if (type === frameTypes.attach) attach(client)
  // A container that reads slowly slows down whoever writes to it.
  if (type === frameTypes.stdin && !held.write(content)) paused.add(client.pause())
  if (type === frameTypes.stdinEnd) held.endInput()
  if (type === frameTypes.resize) {
    const { columns, rows } = JSON.parse(content.toString()) as { columns: number; rows: number }
    if (columns > 0 && rows > 0) held.resize(columns, rows)
  }
  if (type === frameTypes.reopenLog) {
    tryLog((one) => one.reopen())
    client.write(frame(frameTypes.done))
  }
}

/** The runtime writes the pid when the container runs. */
function watchForStart(pidFile: string): void {
  const look = (): void => {
    if (isStarted) return
    let pid: number
    try {
      pid = Number(readFileSync(pidFile, 'utf8'))
    } catch {
      return
    }
    if (!(pid > 0)) return
    isStarted = true
    watcher.close()
    tell({ pid })
  }
  const watcher = watch(dirname(pidFile), (_, name) => {
    if (name === basename(pidFile)) look()
  })
  look()
}

function tell(start: ShimStart): void {
  if (hasTold) return
  hasTold = true
  process.stdout.write(`${JSON.stringify(start)}\n`)
}

function end(exitCode: number, why?: string): void {
  if (hasEnded) return
  hasEnded = true
  tryLog((one) => one.close())
  const failed = isStarted ? undefined : (why ?? lastComplaint() ?? `it ended with ${exitCode} before it ran`)
  const record: ExitRecord = {
    exitCode,
    finishedAt: Date.now(),
    ...(failed === undefined ? {} : { failed }),
    ...(reason === undefined ? {} : { reason }),
  }
  keep(record)
}

/** Tries until there is space: an exit code that is lost would be taken for a kill. */
function keep(record: ExitRecord): void {
  try {
    writeFileSync(`${job.exitFile}.new`, JSON.stringify(record), { flush: true })
    renameSync(`${job.exitFile}.new`, job.exitFile)
  } catch (error) {
    // Without its folder the container is removed, and nobody asks.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return void setTimeout(() => keep(record), keepMs)
  }
  rmSync(job.socket, { force: true })
  const { failed } = record
  if (failed !== undefined) tell({ failed })
  process.stdout.write('', () => process.exit())
}

/** The last thing that the runtime wrote about what went wrong. */
function lastComplaint(): string | undefined {
  try {
    const lines = readFileSync(job.runtimeLog as string, 'utf8')
      .trim()
      .split('\n')
    const last = lines.at(-1) ?? ''
    if (!last.startsWith('{')) return last || undefined
    return (JSON.parse(last) as { msg?: string }).msg
  } catch {
    return undefined
  }
}

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
}
