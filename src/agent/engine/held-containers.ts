import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Log } from '../../kernel/log.ts'
import type { StoredImage } from '../content/types.ts'
import type { CallContext } from '../cri/backend.ts'
import type { ContainerConfig } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { placesOf, type EngineEvent, type HeldParts } from './engine-parts.ts'
import type { ContainerUser } from './find-user.ts'
import { holdContainer, isAlive, readExit } from './hold-container.ts'
import type { ExitRecord, ShimJob } from './shim/job.ts'
import type { ContainerRecord, PodRecord } from './types.ts'

const pollMs = 50
/** After SIGKILL the kernel needs a moment, and a sandbox a longer one. */
const killMs = 10_000
/** How often it is looked after containers whose shims are not children of this process. */
const lookMs = 1_000

/** A container that is being made. */
export interface NewContainer {
  readonly id: string
  readonly pod: PodRecord
  readonly config: ContainerConfig
  readonly image: StoredImage
  /** Its folder, which is empty. */
  readonly bundle: string
}

/** What is known of a container once it is made. */
export interface PreparedContainer {
  /** The signal that stops it, without SIG. */
  readonly stopSignal: string
  readonly user?: ContainerUser
}

/** What a shim has to know of a container beyond what all have in common. */
export type HeldCommand = Pick<
  ShimJob,
  'program' | 'arguments' | 'environment' | 'runtimeLog' | 'isDirect' | 'timeoutMs'
>

/** What containers that shims hold differ in. */
export interface ContainerKind {
  /** Writes down in the bundle what is to be run. */
  readonly prepare: (making: NewContainer, context: CallContext) => Promise<PreparedContainer>
  readonly command: (record: ContainerRecord, pod: PodRecord) => HeldCommand
  /** By its first process; `KILL` reaches all of them. */
  readonly signal: (record: ContainerRecord, signal: string) => Promise<void>
  /** Why it ended, where that is more than its exit code says. */
  readonly reasonOf: (record: ContainerRecord, exit: ExitRecord) => string | undefined
  /** Takes away what is left of one that ended; of one that is lost, which nobody holds, what still runs too. */
  readonly clean: (record: ContainerRecord, isLost: boolean) => Promise<void>
  /** Takes away what was kept of it after it ended. */
  readonly release: (record: ContainerRecord) => Promise<void>
}

/** Containers of one kind, each held by a shim. Calls about one of them come one after another. */
export class HeldContainers {
  readonly #parts: HeldParts
  readonly #kind: ContainerKind
  /** Of containers that are being stopped: when they are killed, on the clock of this process. */
  readonly #killAt = new Map<string, number>()

  constructor(parts: HeldParts, kind: ContainerKind) {
    this.#parts = parts
    this.#kind = kind
  }

  async create(pod: PodRecord, config: ContainerConfig, context: CallContext): Promise<ContainerRecord> {
    const { store, snapshots, containers, clock, bootId } = this.#parts
    if (pod.state !== 'ready')
      throw new CriFailure('FAILED_PRECONDITION', `the pod ${pod.id} is stopped; make another`)
    const named = config.image?.image ?? ''
    const image = store.find(named)
    if (!image) throw new CriFailure('NOT_FOUND', `there is no image ${named} here; pull it first`)
    const id = randomBytes(32).toString('hex')
    const { bundle } = placesOf(this.#parts, id)
    mkdirSync(bundle, { recursive: true, mode: 0o700 })
    try {
      const prepared = await this.#kind.prepare({ id, pod, config, image, bundle }, context)
      const record = containers.save({
        id,
        podId: pod.id,
        config,
        imageId: image.id,
        imageDigest: image.digest,
        imageReference: image.references[0] ?? image.id,
        ...prepared,
        createdAt: clock.now(),
        bootId,
        state: 'created',
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
    const { bundle, exitFile, pidFile, socket } = placesOf(this.#parts, record.id)
    const { config } = record
    mkdirSync(join(runFolder, 'shims'), { recursive: true, mode: 0o700 })
    try {
      const { holder, pid } = await holdContainer(
        bundle,
        {
          ...this.#kind.command(record, pod),
          workingFolder: bundle,
          pidFile,
          logPath:
            config.logPath === '' ? undefined : join(pod.config.logDirectory || bundle, config.logPath),
          stdin: config.stdin,
          stdinOnce: config.stdinOnce,
          tty: config.tty,
          socket,
          exitFile,
        },
        {
          began: (shim) => void containers.save({ ...record, shim }),
          exited: () => void this.settle(record.id),
        },
      )
      containers.save({ ...record, state: 'running', startedAt: clock.now(), shim: holder, pid })
      this.#tell(record, 'CONTAINER_STARTED_EVENT')
      // It may have ended before anybody wrote down that it ran.
      await this.settle(record.id)
    } catch (error) {
      const now = clock.now()
      const message = (error as Error).message
      const failed = { startedAt: now, finishedAt: now, exitCode: 128, reason: 'StartError', message }
      const ended = containers.save({ ...record, state: 'exited', ...failed, ...this.#pidOf(record) })
      // Why it did not start is more than that something of it is left, which goes when it is removed.
      await this.#kind.clean(ended, true).catch(() => {})
      throw error
    }
  }

  /** One that was being started when the agent was killed: it runs, or it has ended. */
  async adopt(record: ContainerRecord): Promise<void> {
    if (record.state !== 'created' || !record.shim) return
    const startedAt = this.#parts.clock.now()
    this.#parts.containers.save({ ...record, state: 'running', startedAt, ...this.#pidOf(record) })
    await this.settle(record.id)
  }

  /** Asks it to end, and after the time in milliseconds makes it. Does nothing for what does not run. */
  async stop(record: ContainerRecord, timeoutMs: number): Promise<void> {
    await this.settle(record.id)
    const running = this.#parts.containers.find(record.id)
    // Removed in the meantime is as good as stopped.
    if (running?.state !== 'running') return
    if (timeoutMs > 0 && (await this.#endsByItself(running, timeoutMs))) return
    await this.#kind.signal(running, 'KILL')
    if (await this.#hasEnded(record.id, within(killMs))) return
    await this.#kind.clean(running, true)
    if (await this.#hasEnded(record.id, within(killMs))) return
    throw new CriFailure('DEADLINE_EXCEEDED', `the container ${record.id} does not end, not even by SIGKILL`)
  }

  /** Somebody else has less patience than whoever stops it now: what is not being stopped is left alone. */
  hasten(id: string, timeoutMs: number): void {
    const before = this.#killAt.get(id)
    if (before !== undefined) this.#killAt.set(id, Math.min(before, performance.now() + timeoutMs))
  }

  async remove(record: ContainerRecord): Promise<void> {
    await this.stop(record, 0)
    const { bundle, socket } = placesOf(this.#parts, record.id)
    await this.#kind.release(record)
    await this.#parts.snapshots.remove(record.id)
    rmSync(socket, { force: true })
    rmSync(bundle, { recursive: true, force: true })
    this.#parts.containers.remove(record.id)
    this.#tell(record, 'CONTAINER_DELETED_EVENT')
  }

  /** Writes down what became of a container that ran; of one whose shim was killed, that it is gone too. */
  async settle(id: string): Promise<void> {
    const { containers, clock, bootId } = this.#parts
    const record = containers.find(id)
    if (record?.state !== 'running') return
    const exit = readExit(placesOf(this.#parts, id).exitFile)
    const isSameBoot = record.bootId === bootId
    if (!exit && isSameBoot && record.shim && isAlive(record.shim)) return
    const ended = exit
      ? {
          finishedAt: exit.finishedAt,
          exitCode: exit.exitCode,
          reason: this.#reasonOf(record, exit),
        }
      : {
          finishedAt: clock.now(),
          exitCode: 137,
          reason: 'Error',
          message: isSameBoot
            ? 'the process that held it was killed'
            : 'its namespaces ended, with the machine or with what held them',
        }
    // Written down before anything waits, so that nobody does it twice.
    containers.save({ ...record, state: 'exited', ...ended })
    this.#tell(record, 'CONTAINER_STOPPED_EVENT')
    await this.#kind.clean(record, !exit && isSameBoot)
  }

  /** Looks after what runs, again and again. */
  lookAfter(log: Log): { readonly close: () => void } {
    const timer = setInterval(() => {
      for (const { id } of this.#parts.containers.list()) {
        this.settle(id).catch((error: unknown) =>
          log.error({ err: error, id }, 'a container was not settled'),
        )
      }
    }, lookMs).unref()
    return { close: () => clearInterval(timer) }
  }

  /** Takes away folders of containers that nobody wrote down: their making was cut off. */
  async removeLeft(log: Log): Promise<void> {
    const { containers, snapshots, stateFolder } = this.#parts
    const known = new Set(containers.list().map(({ id }) => id))
    const bundles = join(stateFolder, 'bundles')
    const left = new Set([...(await snapshots.list()), ...(existsSync(bundles) ? readdirSync(bundles) : [])])
    for (const id of left) {
      if (known.has(id)) continue
      log.warn({ id }, 'what a container left that was half made is taken away')
      await snapshots.remove(id)
      rmSync(join(bundles, id), { recursive: true, force: true })
    }
  }

  /** What the file says that is written when a container runs. */
  #pidOf({ id }: ContainerRecord): Pick<ContainerRecord, 'pid'> {
    const { pidFile } = placesOf(this.#parts, id)
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0
    return pid > 0 ? { pid } : {}
  }

  #reasonOf(record: ContainerRecord, exit: ExitRecord): string {
    return exit.reason ?? this.#kind.reasonOf(record, exit) ?? (exit.exitCode === 0 ? 'Completed' : 'Error')
  }

  async #endsByItself(record: ContainerRecord, timeoutMs: number): Promise<boolean> {
    const { id, stopSignal } = record
    this.#killAt.set(id, performance.now() + timeoutMs)
    try {
      await this.#kind.signal(record, stopSignal)
      return await this.#hasEnded(id, () => this.#killAt.get(id) ?? 0)
    } finally {
      this.#killAt.delete(id)
    }
  }

  async #hasEnded(id: string, deadline: () => number): Promise<boolean> {
    for (;;) {
      await this.settle(id)
      if (this.#parts.containers.find(id)?.state !== 'running') return true
      if (performance.now() >= deadline()) return false
      await pause(pollMs)
    }
  }

  #tell({ id, podId }: ContainerRecord, type: EngineEvent['type']): void {
    this.#parts.emit({ id, podId, type })
  }
}

function within(ms: number): () => number {
  const deadline = performance.now() + ms
  return () => deadline
}
