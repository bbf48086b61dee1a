import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { StoredImage } from '../content/types.ts'
import type { CallContext } from '../cri/backend.ts'
import type { ContainerConfig } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { placesOf, type EngineEvent, type HeldParts } from './engine-parts.ts'
import type { ContainerUser } from './find-user.ts'
import { holdContainer, readExit } from './hold-container.ts'
import { holderOf, isAlive, readHolder } from './holder.ts'
import type { ExitRecord, ShimJob } from './shim/job.ts'
import { turnTaker } from './turn-taker.ts'
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

/** Containers of one kind, each held by a shim. Calls about one of them come one after another: see `inTurn`. */
export class HeldContainers {
  readonly #parts: HeldParts
  readonly #kind: ContainerKind
  /** Of containers that are being stopped: when they are killed, on the clock of this process. */
  readonly #killAt = new Map<string, number>()
  /** One thing after another for each id. */
  readonly inTurn = turnTaker()

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
      if (this.#parts.pods.find(pod.id)?.state !== 'ready')
        throw new CriFailure('NOT_FOUND', `the pod ${pod.id} was stopped while a container was made in it`)
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
    if (pod.state !== 'ready') throw new CriFailure('FAILED_PRECONDITION', `the pod ${pod.id} is stopped`)
    const { bundle, exitFile, pidFile, shimFile, socket } = placesOf(this.#parts, record.id)
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
          shimFile,
          exitFile,
        },
        {
          began: (shim) => void containers.save({ ...record, shim }),
          exited: () => this.#settleOrSay(record.id),
        },
      )
      const { startTime: pidStartTime } = holderOf(pid)
      const startedAt = clock.now()
      containers.save({ ...record, state: 'running', startedAt, shim: holder, pid, pidStartTime })
      this.#tell(record, 'CONTAINER_STARTED_EVENT')
      // It may have ended before anybody wrote down that it ran.
      await this.settle(record.id)
    } catch (error) {
      const now = clock.now()
      const message = (error as Error).message
      const failed = { startedAt: now, finishedAt: now, exitCode: 128, reason: 'StartError', message }
      const ended = containers.save({ ...record, state: 'exited', ...failed, ...this.#processOf(record) })
      // Why it did not start is more than that something of it is left, which goes when it is removed.
      await this.#kind.clean(ended, true).catch(() => {})
      throw error
    }
  }

  /** One that was being started when the agent was killed: it runs, or it has ended. */
  async adopt(record: ContainerRecord): Promise<void> {
    const shim = record.shim ?? readHolder(placesOf(this.#parts, record.id).shimFile)
    if (record.state !== 'created' || !shim) return
    const startedAt = this.#parts.clock.now()
    this.#parts.containers.save({ ...record, state: 'running', startedAt, shim, ...this.#processOf(record) })
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

  /** Stops or removes, at once and each in its turn, all containers of a pod. */
  async endAll(podId: string, how: 'stop' | 'remove'): Promise<void> {
    const { containers } = this.#parts
    for (const { id } of containers.list().filter((one) => one.podId === podId)) {
      this.hasten(id, 0)
      await this.inTurn(id, async () => {
        const record = containers.find(id)
        if (record) await (how === 'stop' ? this.stop(record, 0) : this.remove(record))
      })
    }
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
    const found = containers.find(id)
    if (found?.state !== 'running') return
    const isSameBoot = found.bootId === bootId
    // In this order: what holds it writes down how it ended, and ends then.
    const isHeld = isSameBoot && found.shim !== undefined && isAlive(found.shim)
    // One that was adopted before it ran has its first process by now; while it is held, the number is still its own.
    const lacks = found.pid === undefined || (isHeld && found.pidStartTime === undefined)
    const record = lacks ? { ...found, ...this.#processOf(found) } : found
    if (record.pid !== found.pid || record.pidStartTime !== found.pidStartTime) containers.save(record)
    const exit = readExit(placesOf(this.#parts, id).exitFile)
    if (!exit && isHeld) return
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
  lookAfter(): { readonly close: () => void } {
    const timer = setInterval(() => {
      for (const { id } of this.#parts.containers.list()) this.#settleOrSay(id)
    }, lookMs).unref()
    return { close: () => clearInterval(timer) }
  }

  /** Takes away folders of containers that nobody wrote down: their making was cut off. */
  async removeLeft(): Promise<void> {
    const { containers, snapshots, stateFolder, log } = this.#parts
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

  /** It is looked again: a disk that is full, or a runtime that fails, is not to end the agent. */
  #settleOrSay(id: string): void {
    this.settle(id).catch((error: unknown) =>
      this.#parts.log.error({ err: error, id }, 'a container was not settled'),
    )
  }

  /** What the file says that is written when a container runs. */
  #processOf({ id }: ContainerRecord): Pick<ContainerRecord, 'pid' | 'pidStartTime'> {
    const { pidFile } = placesOf(this.#parts, id)
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0
    return pid > 0 ? { pid, pidStartTime: holderOf(pid).startTime } : {}
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
    } catch (error) {
      this.#parts.log.warn(
        { err: error, id, stopSignal },
        'a container cannot be asked to end, and is killed',
      )
      return false
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
