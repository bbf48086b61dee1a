import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../../kernel/clock.ts'
import type { ContentStore, Snapshots } from '../content/types.ts'
import type { CallContext } from '../cri/backend.ts'
import type { ContainerConfig } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import type { EngineEvent } from '../engine/engine-parts.ts'
import { holdContainer, isAlive, readExit } from '../engine/hold-container.ts'
import type { Records } from '../engine/records.ts'
import type { ContainerRecord, PodRecord } from '../engine/types.ts'
import { findModule } from './find-module.ts'
import { moduleCommand } from './module-command.ts'
import { openFolders } from './open-folders.ts'
import type { ModuleJob, WasmProgram } from './types.ts'

const pollMs = 50
const killMs = 10_000
/** A pod that says so has its modules killed after so many seconds. */
const timeoutAnnotation = 'pratique.dev/wasm-timeout'

export interface WasmParts {
  readonly clock: Clock
  readonly bootId: string
  readonly stateFolder: string
  readonly runFolder: string
  readonly store: ContentStore
  readonly snapshots: Snapshots
  readonly pods: Records<PodRecord>
  readonly containers: Records<ContainerRecord>
  readonly programs: ReadonlyMap<string, WasmProgram>
  /** Most memory of a module that asks for no limit of its own. */
  readonly memoryBytes: number
  readonly emit: (event: EngineEvent) => void
}

export function wasmPlaces(
  { stateFolder, runFolder }: Pick<WasmParts, 'stateFolder' | 'runFolder'>,
  id: string,
) {
  const bundle = join(stateFolder, 'bundles', id)
  return {
    bundle,
    exitFile: join(bundle, 'exit.json'),
    socket: join(runFolder, 'shims', `${id.slice(0, 24)}.sock`),
  }
}

/** Modules as containers: each is a process that does nothing else, held by a shim. */
export class WasmContainers {
  readonly #parts: WasmParts

  constructor(parts: WasmParts) {
    this.#parts = parts
  }

  async create(pod: PodRecord, config: ContainerConfig, context: CallContext): Promise<ContainerRecord> {
    const { store, containers, clock, bootId, snapshots } = this.#parts
    if (pod.state !== 'ready')
      throw new CriFailure('FAILED_PRECONDITION', `the pod ${pod.id} is stopped; make another`)
    const named = config.image?.image ?? ''
    const image = store.find(named)
    if (!image) throw new CriFailure('NOT_FOUND', `there is no image ${named} for Wasm here; pull it first`)
    const id = randomBytes(32).toString('hex')
    const { bundle } = wasmPlaces(this.#parts, id)
    mkdirSync(bundle, { recursive: true, mode: 0o700 })
    try {
      const { Entrypoint, Cmd } = image.config.config ?? {}
      const command = config.command.length > 0 ? config.command : (Entrypoint ?? [])
      const found = await findModule(this.#parts, image, [...command, ...(Cmd ?? [])], id, context)
      const given = config.args.length > 0 ? config.args : config.command.length > 0 ? [] : (Cmd ?? [])
      const job: ModuleJob = {
        module: found.file,
        // Of an artifact all is given to the module; of an image the entry point names it.
        arguments: [found.name, ...(found.root === undefined ? command : command.slice(1)), ...given],
        environment: environmentOf(image.config.config?.Env ?? [], config),
        folders: openFolders(config.mounts, found.root, bundle),
      }
      moduleCommand(this.#program(pod), job, this.#memoryOf(config), bundle)
      const record = containers.save({
        id,
        podId: pod.id,
        config,
        imageId: image.id,
        imageDigest: image.digest,
        imageReference: image.references[0] ?? image.id,
        stopSignal: 'TERM',
        createdAt: clock.now(),
        bootId,
        state: 'created',
        message: JSON.stringify(job),
      })
      this.#tell(record, 'CONTAINER_CREATED_EVENT')
      return record
    } catch (error) {
      await snapshots.remove(id)
      rmSync(bundle, { recursive: true, force: true })
      throw error
    }
  }

  async start(record: ContainerRecord): Promise<void> {
    if (record.state !== 'created') {
      throw new CriFailure(
        'FAILED_PRECONDITION',
        `the container ${record.id} is ${record.state}; make another`,
      )
    }
    const { containers, pods, clock, runFolder } = this.#parts
    const pod = pods.get(record.podId)
    const { config } = record
    const { bundle, exitFile, socket } = wasmPlaces(this.#parts, record.id)
    const job = JSON.parse(record.message ?? '{}') as ModuleJob
    const command = moduleCommand(this.#program(pod), job, this.#memoryOf(config), bundle)
    mkdirSync(join(runFolder, 'shims'), { recursive: true, mode: 0o700 })
    const { holder, pid } = await holdContainer(
      bundle,
      {
        ...command,
        workingFolder: bundle,
        // The module has an environment of its own; this is that of the program that runs it.
        environment: { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '' },
        logPath: config.logPath === '' ? undefined : join(pod.config.logDirectory || bundle, config.logPath),
        stdin: config.stdin,
        stdinOnce: config.stdinOnce,
        tty: config.tty,
        timeoutMs: timeoutOf(pod),
        socket,
        exitFile,
      },
      {
        began: (shim) => void containers.save({ ...record, shim }),
        exited: () => void this.settle(record.id),
      },
    )
    const { message: _, ...rest } = record
    containers.save({ ...rest, state: 'running', startedAt: clock.now(), shim: holder, pid })
    this.#tell(record, 'CONTAINER_STARTED_EVENT')
    await this.settle(record.id)
  }

  /** One that was being started when the agent was killed: it runs, or it has ended. */
  async adopt(record: ContainerRecord): Promise<void> {
    if (record.state !== 'created' || !record.shim) return
    this.#parts.containers.save({ ...record, state: 'running', startedAt: this.#parts.clock.now() })
    await this.settle(record.id)
  }

  async stop(record: ContainerRecord, timeoutMs: number): Promise<void> {
    await this.settle(record.id)
    const now = this.#parts.containers.find(record.id)
    if (now?.state !== 'running') return
    if (timeoutMs > 0) {
      kill(now.pid, 'SIGTERM')
      if (await this.#hasEnded(record.id, timeoutMs)) return
    }
    kill(now.pid, 'SIGKILL')
    if (await this.#hasEnded(record.id, killMs)) return
    throw new CriFailure('DEADLINE_EXCEEDED', `the module of ${record.id} does not end, not even by SIGKILL`)
  }

  async remove(record: ContainerRecord): Promise<void> {
    await this.stop(record, 0)
    const { bundle, socket } = wasmPlaces(this.#parts, record.id)
    await this.#parts.snapshots.remove(record.id)
    rmSync(socket, { force: true })
    rmSync(bundle, { recursive: true, force: true })
    this.#parts.containers.remove(record.id)
    this.#tell(record, 'CONTAINER_DELETED_EVENT')
  }

  async update(record: ContainerRecord): Promise<void> {
    throw new CriFailure(
      'FAILED_PRECONDITION',
      `the limits of the module ${record.id} hold from its start to its end`,
    )
  }

  async settle(id: string): Promise<void> {
    const { containers, clock, bootId } = this.#parts
    const record = containers.find(id)
    if (record?.state !== 'running') return
    const exit = readExit(wasmPlaces(this.#parts, id).exitFile)
    const isHeld = record.bootId === bootId && record.shim !== undefined && isAlive(record.shim)
    if (!exit && isHeld) return
    // What nobody holds any more is not to run on by itself.
    if (!exit && record.bootId === bootId) kill(record.pid, 'SIGKILL')
    const exitCode = exit?.exitCode ?? 137
    containers.save({
      ...record,
      state: 'exited',
      finishedAt: exit?.finishedAt ?? clock.now(),
      exitCode,
      reason: exit?.reason ?? (exitCode === 0 ? 'Completed' : 'Error'),
      ...(exit ? {} : { message: 'the process that held it was killed' }),
    })
    this.#tell(record, 'CONTAINER_STOPPED_EVENT')
  }

  #program({ handler }: PodRecord): WasmProgram {
    const [first] = this.#parts.programs.values()
    const found = handler === '' ? first : this.#parts.programs.get(handler)
    if (found) return found
    throw new CriFailure(
      'NOT_FOUND',
      `there is no runtime ${handler} for Wasm; there are ${[...this.#parts.programs.keys()].join(', ')}`,
    )
  }

  #memoryOf({ linux }: ContainerConfig): number {
    const asked = linux?.resources?.memoryLimitInBytes ?? 0
    return asked > 0 ? asked : this.#parts.memoryBytes
  }

  async #hasEnded(id: string, withinMs: number): Promise<boolean> {
    const deadline = performance.now() + withinMs
    for (;;) {
      await this.settle(id)
      if (this.#parts.containers.find(id)?.state !== 'running') return true
      if (performance.now() >= deadline) return false
      await pause(pollMs)
    }
  }

  #tell({ id, podId }: ContainerRecord, type: EngineEvent['type']): void {
    this.#parts.emit({ id, podId, type })
  }
}

function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  if (!pid) return
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended.
  }
}

function environmentOf(ofImage: readonly string[], { envs }: ContainerConfig): Record<string, string> {
  const pairs = ofImage.map((one): [string, string] => {
    const at = one.indexOf('=')
    return at < 0 ? [one, ''] : [one.slice(0, at), one.slice(at + 1)]
  })
  return Object.fromEntries([...pairs, ...envs.map(({ key, value }) => [key, value.toString()])]) as Record<
    string,
    string
  >
}

function timeoutOf({ config }: PodRecord): number | undefined {
  const text = config.annotations[timeoutAnnotation]
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (seconds > 0 && seconds <= 86_400 * 24) return seconds * 1_000
  throw new CriFailure(
    'INVALID_ARGUMENT',
    `the annotation ${timeoutAnnotation} takes seconds, not ${JSON.stringify(text.slice(0, 100))}`,
  )
}
