import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../kernel/clock.ts'
import type { Log } from '../../kernel/log.ts'
import { localPlatforms, openContentStore, type ContentStoreOptions } from '../content/content-store.ts'
import { imageHandlers } from '../content/image-handlers.ts'
import { openSnapshots } from '../content/snapshots.ts'
import { backendOf, type Backend, type CriHandlers } from '../cri/backend.ts'
import { CriFailure } from '../cri/failures.ts'
import { describePodStats, describeStats } from '../engine/describe.ts'
import { containerHandlers, podHandlers } from '../engine/engine-handlers.ts'
import { placesOf, type EngineEvent } from '../engine/engine-parts.ts'
import { eventsOf } from '../engine/events.ts'
import { attachStreams } from '../engine/exec.ts'
import { HeldContainers } from '../engine/held-containers.ts'
import { usesImage } from '../engine/image-volumes.ts'
import { processUsage } from '../engine/process-usage.ts'
import { Records } from '../engine/records.ts'
import type { ContainerRecord, PodRecord } from '../engine/types.ts'
import { startStreamingServer } from '../streaming/start-streaming-server.ts'
import type { StreamingTarget } from '../streaming/types.ts'
import { findWasmPrograms } from './find-wasm-programs.ts'
import type { WasmParts } from './types.ts'
import { wasmContainers } from './wasm-containers.ts'

const defaultMemoryBytes = 256 * 1024 * 1024

export interface WasmOptions {
  readonly name: string
  readonly stateFolder: string
  readonly runFolder: string
  readonly content?: ContentStoreOptions
  readonly memoryBytes?: number | undefined
  readonly clock: Clock
  readonly log: Log
  readonly version: string
}

/** Opens a runtime for WebAssembly on its folders: no root, no daemon, on every system that Node runs on. */
export async function openWasm(options: WasmOptions): Promise<Backend> {
  const { name, stateFolder, runFolder, clock, log } = options
  for (const folder of [stateFolder, runFolder]) mkdirSync(folder, { recursive: true, mode: 0o700 })
  const store = openContentStore(join(stateFolder, 'content'), {
    ...options.content,
    platforms: localPlatforms.filter((one) => one.endsWith('/wasm')),
  })
  const listeners = new Set<(event: EngineEvent) => void>()
  const parts: WasmParts = {
    clock,
    bootId: bootId(),
    stateFolder,
    runFolder,
    store,
    snapshots: openSnapshots(join(stateFolder, 'snapshots'), store, 'copy'),
    pods: new Records<PodRecord>(join(stateFolder, 'pods'), 'pod'),
    containers: new Records<ContainerRecord>(join(stateFolder, 'containers'), 'container'),
    programs: new Map(findWasmPrograms().map((one) => [one.handler, one])),
    memoryBytes: options.memoryBytes ?? defaultMemoryBytes,
    emit: (event) => listeners.forEach((listener) => listener(event)),
    log,
  }
  const containerService = new HeldContainers(parts, wasmContainers(parts))
  for (const record of parts.containers.list()) {
    try {
      await containerService.adopt(record)
      await containerService.settle(record.id)
    } catch (error) {
      log.error({ err: error, id: record.id }, 'what was left was not put in order')
    }
  }
  await containerService.removeLeft()
  const streaming = await startStreamingServer({ target: targetOf(parts), log })
  const look = containerService.lookAfter()
  const lifecycle = {
    pods: parts.pods,
    containers: parts.containers,
    podService: podServiceOf(parts, containerService),
    containerService,
    update: refuseUpdate,
    streaming,
    socketOf: (id: string) => placesOf(parts, id).socket,
    inTurn: containerService.inTurn,
  }
  const handlers: CriHandlers = {
    ...imageHandlers({
      store,
      folder: join(stateFolder, 'content'),
      now: () => clock.now(),
      isUsed: ({ id }) => parts.containers.list().some((container) => usesImage(parts, container, id)),
      removed: () => parts.snapshots.prune(store.list()),
    }),
    ...podHandlers(lifecycle),
    ...containerHandlers(lifecycle),
    ...eventsOf(parts, listeners),
    ...statsHandlers(parts),
    ...ownHandlers(parts, options.version),
    async Attach(request) {
      parts.containers.get(request.containerId)
      return { url: streaming.attachUrl(request) }
    },
  }
  return backendOf(name, handlers, async () => {
    look.close()
    await streaming.close()
  })
}

/** A number of a process means nothing after a restart of the machine. Where boots cannot be told apart there is one. */
function bootId(): string {
  const file = '/proc/sys/kernel/random/boot_id'
  if (existsSync(file)) return readFileSync(file, 'utf8').trim()
  return process.platform === 'darwin'
    ? execFileSync('sysctl', ['-n', 'kern.bootsessionuuid'], { encoding: 'utf8' }).trim()
    : 'unknown'
}

/** Pods are records: a module has no namespaces that could be shared. */
function podServiceOf({ pods, clock, bootId }: WasmParts, service: HeldContainers) {
  const stop = async (pod: PodRecord): Promise<void> => {
    if (pod.state === 'ready') pods.save({ ...pod, state: 'stopped' })
    await service.endAll(pod.id, 'stop')
  }
  return {
    async run(handler: string, config: PodRecord['config']): Promise<PodRecord> {
      const id = randomBytes(32).toString('hex')
      return pods.save({
        id,
        handler,
        config,
        createdAt: clock.now(),
        state: 'ready',
        bootId,
        network: 'none',
        addresses: [],
      })
    },
    stop,
    async remove(pod: PodRecord): Promise<void> {
      await stop(pod)
      await service.endAll(pod.id, 'remove')
      pods.remove(pod.id)
    },
  }
}

async function refuseUpdate({ id }: ContainerRecord): Promise<never> {
  throw new CriFailure('FAILED_PRECONDITION', `the limits of the module ${id} hold from its start to its end`)
}

function targetOf(parts: WasmParts): StreamingTarget {
  const refuse = async (): Promise<never> => {
    throw new CriFailure('FAILED_PRECONDITION', noProcesses)
  }
  return {
    exec: refuse,
    portForward: refuse,
    async attach({ containerId }, streams) {
      const container = parts.containers.get(containerId)
      await attachStreams(placesOf(parts, container.id).socket, streams)
    },
  }
}

const noProcesses =
  'a WebAssembly module has no processes, no shell and no network: there is nothing to run in it, and no port to reach; read its log, or attach to it'

function ownHandlers({ programs }: WasmParts, version: string): CriHandlers {
  const refuse = async (): Promise<never> => {
    throw new CriFailure('FAILED_PRECONDITION', noProcesses)
  }
  return {
    Exec: refuse,
    ExecSync: refuse,
    PortForward: refuse,
    CheckpointContainer: refuse,
    async Version() {
      return {
        version: '0.1.0',
        runtimeName: 'pratique-wasm',
        runtimeVersion: version,
        runtimeApiVersion: 'v1',
      }
    },
    async Status() {
      return {
        status: {
          conditions: [
            { type: 'RuntimeReady', status: true },
            { type: 'NetworkReady', status: true, message: 'modules have no network' },
          ],
        },
        runtimeHandlers: [...programs.keys()].map((name) => ({ name, features: {} })),
      }
    },
    async RuntimeConfig() {
      return { linux: { cgroupDriver: 'CGROUPFS' } }
    },
    async UpdateRuntimeConfig() {
      return {}
    },
  }
}

function statsHandlers(parts: WasmParts): CriHandlers {
  const { containers, pods, clock, snapshots, stateFolder } = parts
  const measure = async (record: ContainerRecord) => {
    const usage = record.state === 'running' ? processUsage(record.pid) : {}
    const layer = { ...(await snapshots.usage(record.id)), folder: join(stateFolder, 'snapshots') }
    return describeStats(record, usage, layer, clock.now())
  }
  const measurePod = async (pod: PodRecord) => {
    const own = containers.list().filter(({ podId }) => podId === pod.id)
    return describePodStats(pod, await Promise.all(own.map(measure)), clock.now())
  }
  return {
    ContainerStats: async ({ containerId }) => ({ stats: await measure(containers.get(containerId)) }),
    ListContainerStats: async ({ filter }) => ({
      stats: await Promise.all(
        containers
          .list()
          .filter(({ id }) => id.startsWith(filter?.id ?? ''))
          .map(measure),
      ),
    }),
    PodSandboxStats: async ({ podSandboxId }) => ({ stats: await measurePod(pods.get(podSandboxId)) }),
    ListPodSandboxStats: async ({ filter }) => ({
      stats: await Promise.all(
        pods
          .list()
          .filter(({ id }) => id.startsWith(filter?.id ?? ''))
          .map(measurePod),
      ),
    }),
  }
}
