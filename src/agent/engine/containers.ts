import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { CallContext } from '../cri/backend.ts'
import type { ContainerConfig, LinuxContainerConfig, LinuxContainerResources } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { cgroupMode, readUsage, removeGroups } from './cgroups.ts'
import { cgroupPath, getRuntime, placesOf, podFolder, type EngineParts } from './engine-parts.ts'
import { holdContainer, isAlive, readExit } from './hold-container.ts'
import type { LowLevelRuntime } from './low-level-runtime.ts'
import { resourcesOf, runtimeSpec } from './runtime-spec.ts'
import type { ContainerRecord, PodRecord } from './types.ts'

const pollMs = 50
/** After SIGKILL the kernel needs a moment, and a sandbox a longer one. */
const killMs = 10_000

/** The containers of the engine. Calls about one of them come one after another. */
export class Containers {
  readonly #parts: EngineParts

  constructor(parts: EngineParts) {
    this.#parts = parts
  }

  async create(pod: PodRecord, config: ContainerConfig, context: CallContext): Promise<ContainerRecord> {
    const { store, snapshots, containers, clock, bootId } = this.#parts
    if (pod.state !== 'ready')
      throw new CriFailure('FAILED_PRECONDITION', `the pod ${pod.id} is stopped; make another`)
    const named = config.image?.image ?? ''
    const image = store.find(named)
    if (!image) throw new CriFailure('NOT_FOUND', `the engine has no image ${named}; pull it first`)
    const runtime = getRuntime(this.#parts, pod.handler)
    requireLimits(runtime, config)
    const id = randomBytes(32).toString('hex')
    const { bundle } = placesOf(this.#parts, id)
    mkdirSync(bundle, { recursive: true, mode: 0o700 })
    try {
      const root = await snapshots.prepare(image, id, context)
      const spec = runtimeSpec({
        id,
        pod,
        config,
        image: image.config,
        root,
        namespaces: this.#namespacesOf(pod, config),
        podFiles: this.#podFiles(pod),
        cgroupPath: cgroupMode() === 'none' ? undefined : cgroupPath(pod, id),
      })
      writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec), { mode: 0o600 })
    } catch (error) {
      await snapshots.remove(id)
      rmSync(bundle, { recursive: true, force: true })
      throw error
    }
    const record = containers.save({
      id,
      podId: pod.id,
      config,
      imageId: image.id,
      imageDigest: image.digest,
      imageReference: image.references[0] ?? image.id,
      stopSignal: stopSignalOf(config, image.config.config?.StopSignal),
      createdAt: clock.now(),
      bootId,
      state: 'created',
    })
    this.#tell(record, 'CONTAINER_CREATED_EVENT')
    return record
  }

  async start(record: ContainerRecord): Promise<void> {
    if (record.state !== 'created') {
      throw new CriFailure(
        'FAILED_PRECONDITION',
        `the container ${record.id} is ${record.state}; make another`,
      )
    }
    const pod = this.#parts.pods.get(record.podId)
    const { bundle, exitFile, pidFile, runtimeLog, socket } = placesOf(this.#parts, record.id)
    const { config } = record
    const runtime = getRuntime(this.#parts, pod.handler)
    const { program, arguments: argv } = runtime.commandLine(
      pod,
      runtimeLog,
      'run',
      // Groups that are kept tell afterwards whether it ran out of memory.
      ...(runtime.kind === 'runc' ? ['--keep'] : []),
      '--bundle',
      bundle,
      '--pid-file',
      pidFile,
      record.id,
    )
    mkdirSync(join(this.#parts.runFolder, 'shims'), { recursive: true, mode: 0o700 })
    const logPath =
      config.logPath === '' ? undefined : join(pod.config.logDirectory || bundle, config.logPath)
    try {
      const { holder, pid } = await holdContainer(
        bundle,
        {
          program,
          arguments: argv,
          workingFolder: bundle,
          environment: { PATH: process.env['PATH'] ?? '' },
          pidFile,
          runtimeLog,
          logPath,
          stdin: config.stdin,
          stdinOnce: config.stdinOnce,
          tty: config.tty,
          socket,
          exitFile,
        },
        {
          began: (shim) => void this.#parts.containers.save({ ...record, shim }),
          exited: () => void this.settle(record.id),
        },
      )
      const now = this.#parts.clock.now()
      this.#parts.containers.save({ ...record, state: 'running', startedAt: now, shim: holder, pid })
      this.#tell(record, 'CONTAINER_STARTED_EVENT')
      // It may have ended before anybody wrote down that it ran.
      await this.settle(record.id)
    } catch (error) {
      const now = this.#parts.clock.now()
      const message = (error as Error).message
      this.#parts.containers.save({
        ...record,
        state: 'exited',
        startedAt: now,
        finishedAt: now,
        exitCode: 128,
        reason: 'StartError',
        message,
      })
      await this.#cleanRuntime(pod, record.id)
      throw error
    }
  }

  /** One that was being started when the agent was killed: it runs, or it has ended. */
  async adopt(record: ContainerRecord): Promise<void> {
    if (record.state !== 'created' || !record.shim) return
    const { pidFile } = placesOf(this.#parts, record.id)
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : undefined
    const startedAt = this.#parts.clock.now()
    this.#parts.containers.save({ ...record, state: 'running', startedAt, ...(pid ? { pid } : {}) })
    await this.settle(record.id)
  }

  /** Asks it to end, and after the time in milliseconds makes it. Does nothing for what does not run. */
  async stop(record: ContainerRecord, timeoutMs: number): Promise<void> {
    await this.settle(record.id)
    // Removed in the meantime is as good as stopped.
    if (this.#parts.containers.find(record.id)?.state !== 'running') return
    const pod = this.#parts.pods.get(record.podId)
    const runtime = getRuntime(this.#parts, pod.handler)
    if (timeoutMs > 0) {
      await runtime.kill(pod, record.id, record.stopSignal)
      if (await this.#hasEnded(record.id, timeoutMs)) return
    }
    await runtime.kill(pod, record.id, 'KILL', true)
    if (await this.#hasEnded(record.id, killMs)) return
    await this.#cleanRuntime(pod, record.id)
    if (await this.#hasEnded(record.id, killMs)) return
    throw new CriFailure('DEADLINE_EXCEEDED', `the container ${record.id} does not end, not even by SIGKILL`)
  }

  async remove(record: ContainerRecord): Promise<void> {
    await this.stop(record, 0)
    const pod = this.#parts.pods.find(record.podId)
    const { bundle, socket } = placesOf(this.#parts, record.id)
    if (pod) {
      await this.#cleanRuntime(pod, record.id)
      removeGroups(cgroupPath(pod, record.id))
    }
    await this.#parts.snapshots.remove(record.id)
    rmSync(socket, { force: true })
    rmSync(bundle, { recursive: true, force: true })
    this.#parts.containers.remove(record.id)
    this.#tell(record, 'CONTAINER_DELETED_EVENT')
  }

  /** Changes what it may use, while it runs too. */
  async update(record: ContainerRecord, linux: LinuxContainerResources | null): Promise<void> {
    const pod = this.#parts.pods.get(record.podId)
    const resources = resourcesOf(linux)
    const runtime = getRuntime(this.#parts, pod.handler)
    requireLimits(runtime, { linux: { resources: linux } })
    if (record.state === 'running') await runtime.update(pod, record.id, resources)
    if (record.state === 'created') rewriteResources(placesOf(this.#parts, record.id).bundle, resources)
    const securityContext = record.config.linux?.securityContext ?? null
    // It may have ended while the runtime was asked.
    this.#parts.containers.save({
      ...this.#parts.containers.get(record.id),
      config: { ...record.config, linux: { securityContext, resources: linux } },
    })
  }

  /** Writes down what became of a container that ran; of one whose shim was killed, that it is gone too. */
  async settle(id: string): Promise<void> {
    const { containers, pods, clock, bootId } = this.#parts
    const record = containers.find(id)
    if (record?.state !== 'running') return
    const exit = readExit(placesOf(this.#parts, id).exitFile)
    const pod = pods.find(record.podId)
    if (exit) {
      const usage = pod ? readUsage(cgroupPath(pod, id)) : {}
      const isOom = (usage.oomKills ?? 0) > 0 && exit.exitCode === 137
      const reason = isOom ? 'OOMKilled' : exit.exitCode === 0 ? 'Completed' : 'Error'
      this.#save({ ...record, state: 'exited', finishedAt: exit.finishedAt, exitCode: exit.exitCode, reason })
      if (pod) await this.#cleanRuntime(pod, id)
      return
    }
    const isSameBoot = record.bootId === bootId
    if (isSameBoot && record.shim && isAlive(record.shim)) return
    const why = isSameBoot ? 'the process that held it was killed' : 'the machine was restarted'
    // Claimed before the runtime is asked, so that nobody does it twice.
    const ended = {
      state: 'exited',
      finishedAt: clock.now(),
      exitCode: 137,
      reason: 'Error',
      message: why,
    } as const
    this.#save({ ...record, ...ended })
    if (pod) await this.#cleanRuntime(pod, id)
  }

  #save(record: ContainerRecord): void {
    this.#parts.containers.save(record)
    this.#tell(record, 'CONTAINER_STOPPED_EVENT')
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

  async #cleanRuntime(pod: PodRecord, id: string): Promise<void> {
    await getRuntime(this.#parts, pod.handler).remove(pod, id)
  }

  #namespacesOf(pod: PodRecord, config: ContainerConfig) {
    const { namespaces, containers } = this.#parts
    const options = config.linux?.securityContext?.namespaceOptions
    const podOptions = pod.config.linux?.securityContext?.namespaceOptions
    const path = (kind: 'net' | 'ipc' | 'uts'): string => namespaces.path(pod.id, kind)
    const ipc = options?.ipc ?? podOptions?.ipc
    return {
      network: pod.network === 'node' ? 'node' : path('net'),
      ipc: ipc === 'NODE' ? 'node' : path('ipc'),
      uts: pod.network === 'node' ? 'node' : path('uts'),
      pid: pidNamespace(options?.pid ?? 'CONTAINER', containers.find(options?.targetId ?? '')),
    }
  }

  #podFiles(pod: PodRecord): Record<string, string> {
    const folder = podFolder(this.#parts, pod.id)
    const files = {
      '/etc/hosts': join(folder, 'hosts'),
      '/etc/hostname': join(folder, 'hostname'),
      '/etc/resolv.conf': join(folder, 'resolv.conf'),
      '/dev/shm': join(folder, 'shm'),
    }
    return Object.fromEntries(Object.entries(files).filter(([, source]) => existsSync(source)))
  }

  #tell({ id, podId }: ContainerRecord, type: Parameters<EngineParts['emit']>[0]['type']): void {
    this.#parts.emit({ id, podId, type })
  }
}

function pidNamespace(mode: string, target: ContainerRecord | undefined): string | undefined {
  if (mode === 'NODE') return 'node'
  if (mode === 'CONTAINER') return undefined
  if (mode === 'TARGET' && target?.pid !== undefined) return `/proc/${target.pid}/ns/pid`
  throw new CriFailure(
    'FAILED_PRECONDITION',
    mode === 'TARGET'
      ? 'the container whose processes are to be seen does not run'
      : 'the embedded engine has no process that could hold a process namespace for a whole pod; use a containerd behind the agent for shareProcessNamespace',
  )
}

/** What does not run yet starts with its new limits. */
function rewriteResources(bundle: string, resources: object): void {
  const file = join(bundle, 'config.json')
  const spec = JSON.parse(readFileSync(file, 'utf8')) as { linux: { resources?: object } }
  const linux = { ...spec.linux, resources: { ...spec.linux.resources, ...resources } }
  writeFileSync(`${file}.new`, JSON.stringify({ ...spec, linux }), { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** Limits that would not hold are refused, not forgotten. */
function requireLimits(
  { hasLimits, handler }: LowLevelRuntime,
  { linux }: { readonly linux: Pick<LinuxContainerConfig, 'resources'> | null },
): void {
  const { memoryLimitInBytes = 0, cpuQuota = 0 } = linux?.resources ?? {}
  if (hasLimits || (memoryLimitInBytes <= 0 && cpuQuota <= 0)) return
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `${handler} cannot hold limits of memory or processor with the control groups of this machine; use the handler runc, or a machine with cgroup v2 only`,
  )
}

function stopSignalOf(config: ContainerConfig, ofImage: string | undefined): string {
  const asked = config.stopSignal === 'RUNTIME_DEFAULT' ? (ofImage ?? '') : config.stopSignal
  const name = asked.replace(/^SIG/, '').replace('RTMINPLUS', 'RTMIN+').replace('RTMAXMINUS', 'RTMAX-')
  return /^[A-Z0-9+-]{1,12}$/.test(name) ? name : 'TERM'
}
