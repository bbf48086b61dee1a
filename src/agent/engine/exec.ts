import { execFile, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Duplex } from 'node:stream'
import { CriFailure } from '../cri/failures.ts'
import type { ClientStreams, StreamingTarget } from '../streaming/types.ts'
import { getRuntime, placesOf, type EngineParts } from './engine-parts.ts'
import { attachShim } from './hold-container.ts'
import { frameTypes } from './shim/frames.ts'
import type { CommandLine } from './low-level-runtime.ts'
import type { ContainerRecord } from './types.ts'

const maximumOutput = 16 * 1024 * 1024
/** A longer timer of Node's would fire at once. */
const longestTimerMs = 2 ** 31 - 1
const relay = new URL('shim/relay-port.ts', import.meta.url).pathname

export interface ExecOutcome {
  readonly exitCode: number
  readonly stdout: Buffer
  readonly stderr: Buffer
}

/** A command in a running container, and the files that describe it. */
interface PreparedExec {
  readonly line: CommandLine
  readonly end: () => void
  /** Whether the command ever ran: else what was said is of the runtime. */
  readonly hasBegun: () => boolean
  /** Kills the command itself: the runtime that started it is only its messenger. */
  readonly kill: () => void
}

/** Runs a command in a container and gives all that it prints. Throws DEADLINE_EXCEEDED; the command is killed then. */
export async function execSync(
  parts: EngineParts,
  container: ContainerRecord,
  command: readonly string[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<ExecOutcome> {
  const { line, end, hasBegun, kill } = prepare(parts, container, command, false)
  const child = spawn(line.program, [...line.arguments], { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[], bytes: 0 }
  const take = (stream: 'stdout' | 'stderr') => (chunk: Buffer) => {
    // The kubelet's limit as well: what is more is not kept, and the command goes on.
    if (output.bytes >= maximumOutput) return
    output.bytes += chunk.length
    output[stream].push(chunk)
  }
  child.stdout.on('data', take('stdout'))
  child.stderr.on('data', take('stderr'))
  let isLate = false
  const stop = (): void => {
    kill()
    child.kill('SIGKILL')
  }
  const late = (): void => {
    isLate = true
    stop()
  }
  const timer = timeoutMs > 0 ? setTimeout(late, Math.min(timeoutMs, longestTimerMs)) : undefined
  signal.addEventListener('abort', stop)
  try {
    const exitCode = await ended(child)
    if (isLate) {
      throw new CriFailure(
        'DEADLINE_EXCEEDED',
        `the command did not end within ${timeoutMs / 1000} s and was killed`,
      )
    }
    const stderr = Buffer.concat(output.stderr)
    if (exitCode !== 0 && !hasBegun() && !signal.aborted) {
      // A probe whose command cannot be run says nothing of the health of its container.
      throw new CriFailure('FAILED_PRECONDITION', `the command cannot be run: ${stderr.toString().trim()}`)
    }
    return { exitCode, stdout: Buffer.concat(output.stdout), stderr }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
    end()
  }
}

/** What the streams of clients lead to in the engine's containers. */
export function streamingTarget(parts: EngineParts): StreamingTarget {
  return {
    async exec({ containerId, cmd, tty }, streams) {
      const { line, end, kill } = prepare(parts, getRunning(parts, containerId), cmd, tty)
      streams.signal.addEventListener('abort', kill)
      try {
        return await (tty ? execInTerminal(line, streams) : execWithPipes(line, streams))
      } finally {
        streams.signal.removeEventListener('abort', kill)
        end()
      }
    },
    attach: ({ containerId }, streams) =>
      attachStreams(placesOf(parts, getRunning(parts, containerId).id).socket, streams),
    portForward: ({ podSandboxId }, port, connection) => forward(parts, podSandboxId, port, connection),
  }
}

function getRunning({ containers }: EngineParts, id: string): ContainerRecord {
  const container = containers.get(id)
  if (container.state === 'running') return container
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `the container ${container.id} does not run, it is ${container.state}`,
  )
}

function prepare(
  parts: EngineParts,
  container: ContainerRecord,
  command: readonly string[],
  tty: boolean,
): PreparedExec {
  if (command.length === 0) throw new CriFailure('INVALID_ARGUMENT', 'there is no command to run')
  const { id } = getRunning(parts, container.id)
  const pod = parts.pods.get(container.podId)
  const { bundle } = placesOf(parts, id)
  const { process: own } = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as {
    process: { readonly env: readonly string[] }
  }
  const name = randomUUID()
  const [processFile, pidFile] = [join(bundle, `exec-${name}.json`), join(bundle, `exec-${name}.pid`)]
  const asked = { ...own, env: environmentOf(own.env, tty), args: command, terminal: tty }
  writeFileSync(processFile, JSON.stringify(asked), { mode: 0o600 })
  const runtime = getRuntime(parts, pod.handler)
  const isSandbox = runtime.kind === 'runsc'
  // A process of gVisor has its number inside of the sandbox, where only the runtime can reach it.
  const pidOption = isSandbox ? '--internal-pid-file' : '--pid-file'
  return {
    line: runtime.commandLine(pod, undefined, 'exec', '--process', processFile, pidOption, pidFile, id),
    hasBegun: () => readPid(pidFile) !== undefined,
    kill() {
      const pid = readPid(pidFile)
      // It has not begun.
      if (pid === undefined) return
      if (!isSandbox) return killProcess(pid)
      const line = runtime.commandLine(pod, undefined, 'kill', '--pid', String(pid), id, 'KILL')
      execFile(line.program, [...line.arguments], () => {})
    },
    end() {
      rmSync(processFile, { force: true })
      rmSync(pidFile, { force: true })
    },
  }
}

/** In a terminal there is one to name, whatever the container itself has. */
function environmentOf(own: readonly string[], tty: boolean): readonly string[] {
  return tty && !own.some((one) => one.startsWith('TERM=')) ? [...own, 'TERM=xterm'] : own
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'))
    return pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

function ended(child: ReturnType<typeof spawn>): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new CriFailure('FAILED_PRECONDITION', `the command cannot be run: ${error.message}`)),
    )
    child.once('close', (code) => resolve(code ?? 137))
  })
}

async function execWithPipes(line: CommandLine, streams: ClientStreams): Promise<number> {
  const child = spawn(line.program, [...line.arguments], {
    stdio: [streams.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  })
  const outcome = ended(child)
  // Whoever does not read any more is no failure of the command.
  const quietly = (moving: Promise<unknown>): Promise<unknown> => moving.catch(() => {})
  if (streams.stdin && child.stdin) void quietly(pipeline(streams.stdin, child.stdin))
  const moving = (['stdout', 'stderr'] as const).map(async (name) => {
    const [from, to] = [child[name], streams[name]]
    if (from && to) await quietly(pipeline(from, to))
    else from?.resume()
  })
  const exitCode = await outcome
  await Promise.all(moving)
  return exitCode
}

async function execInTerminal(line: CommandLine, streams: ClientStreams): Promise<number> {
  const { spawn: spawnTerminal } = await import('@lydell/node-pty')
  const terminal = spawnTerminal(line.program, [...line.arguments], { encoding: null, cols: 80, rows: 24 })
  terminal.onData((chunk) => streams.stdout?.write(Buffer.from(chunk as unknown as Uint8Array)))
  streams.onResize(({ columns, rows }) => terminal.resize(columns, rows))
  streams.stdin?.on('data', (chunk: Buffer) => terminal.write(chunk as unknown as string))
  return new Promise((resolve) => {
    terminal.onExit(({ exitCode, signal }) => {
      streams.stdout?.end()
      resolve(signal ? 128 + signal : exitCode)
    })
    streams.signal.addEventListener('abort', () => terminal.kill('SIGKILL'))
  })
}

/** Joins a client's streams to a container through the socket of its shim. */
export async function attachStreams(path: string, streams: ClientStreams): Promise<void> {
  const client = await attachShim(path, (type, content) => {
    const target = type === frameTypes.stderr ? (streams.stderr ?? streams.stdout) : streams.stdout
    if (target && !target.write(content)) {
      client.socket.pause()
      target.once('drain', () => client.socket.resume())
    }
  })
  client.send(frameTypes.attach)
  streams.onResize((size) => client.send(frameTypes.resize, Buffer.from(JSON.stringify(size))))
  streams.stdin?.on('data', (chunk: Buffer) => {
    if (client.send(frameTypes.stdin, chunk)) return
    streams.stdin?.pause()
    client.socket.once('drain', () => streams.stdin?.resume())
  })
  streams.stdin?.once('end', () => client.send(frameTypes.stdinEnd))
  await new Promise<void>((resolve) => {
    client.socket.once('close', () => resolve())
    streams.signal.addEventListener('abort', () => client.socket.destroy())
  })
  streams.stdout?.end()
  streams.stderr?.end()
}

/** A connection to a port inside of the pod, made by a process that enters its network. */
async function forward(parts: EngineParts, podId: string, port: number, connection: Duplex): Promise<void> {
  const pod = parts.pods.get(podId)
  if (pod.state !== 'ready') throw new CriFailure('FAILED_PRECONDITION', `the pod ${podId} is stopped`)
  const command = [process.execPath, relay, String(port)]
  const [program = '', ...argv] =
    pod.network === 'node'
      ? command
      : ['nsenter', `--net=${parts.namespaces.path(pod.id, 'net')}`, ...command]
  const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => (complaint = `${complaint}${chunk.toString()}`.slice(-1_000)))
  connection.once('close', () => child.kill('SIGKILL'))
  void pipeline(connection, child.stdin).catch(() => {})
  const outcome = ended(child)
  await pipeline(child.stdout, connection, { end: true }).catch(() => {})
  if ((await outcome) !== 0 && complaint !== '') {
    throw new CriFailure('UNAVAILABLE', `nothing listens on port ${port} of the pod: ${complaint.trim()}`)
  }
}
