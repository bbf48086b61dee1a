import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../kernel/clock.ts'
import type { Log } from '../../kernel/log.ts'
import { openContentStore, type ContentStoreOptions } from '../content/content-store.ts'
import { openSnapshots } from '../content/snapshots.ts'
import { backendOf, type Backend, type CriHandlers } from '../cri/backend.ts'
import { startStreamingServer } from '../streaming/start-streaming-server.ts'
import { cgroupMode } from './cgroups.ts'
import { Cni, usualCni, type CniOptions } from './cni.ts'
import { Containers } from './containers.ts'
import { describePodStatus, describeContainerStatus } from './describe.ts'
import { engineHandlers } from './engine-handlers.ts'
import type { EngineEvent, EngineParts } from './engine-parts.ts'
import { streamingTarget } from './exec.ts'
import { LowLevelRuntime } from './low-level-runtime.ts'
import { PodNamespaces } from './namespaces.ts'
import { Pods } from './pods.ts'
import { Records } from './records.ts'
import type { ContainerRecord, EngineRuntime, PodRecord } from './types.ts'

/** How often it is looked after containers whose shims are not children of this process. */
const lookMs = 1_000

export interface EngineOptions {
  readonly name: string
  readonly stateFolder: string
  readonly runFolder: string
  readonly runtimes: readonly EngineRuntime[]
  readonly cni?: Partial<CniOptions>
  readonly content?: ContentStoreOptions
  readonly clock: Clock
  readonly log: Log
  readonly version: string
}

/**
 * Opens the embedded engine on its folders: containers without a daemon of others. What ran goes on running; what was
 * half made when the machine or the agent stopped is taken away.
 */
export async function openEngine(options: EngineOptions): Promise<Backend> {
  const { name, stateFolder, runFolder, clock, log } = options
  for (const folder of [stateFolder, runFolder]) mkdirSync(folder, { recursive: true, mode: 0o711 })
  const mode = cgroupMode()
  const store = openContentStore(join(stateFolder, 'content'), options.content)
  const listeners = new Set<(event: EngineEvent) => void>()
  const parts: EngineParts = {
    clock,
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    stateFolder,
    runFolder,
    store,
    snapshots: openSnapshots(join(stateFolder, 'snapshots'), store),
    pods: new Records<PodRecord>(join(stateFolder, 'pods'), 'pod'),
    containers: new Records<ContainerRecord>(join(stateFolder, 'containers'), 'container'),
    runtimes: new Map(
      options.runtimes.map((one) => [one.handler, new LowLevelRuntime(one, runFolder, mode)]),
    ),
    namespaces: new PodNamespaces(join(runFolder, 'namespaces')),
    cni: new Cni({ ...usualCni, ...options.cni }),
    emit: (event) => listeners.forEach((listener) => listener(event)),
  }
  const containerService = new Containers(parts)
  const podService = new Pods(parts, containerService)
  await recover(parts, containerService, podService, log)
  const streaming = await startStreamingServer({ target: streamingTarget(parts), log })
  const look = setInterval(() => {
    for (const { id } of parts.containers.list()) {
      containerService
        .settle(id)
        .catch((error: unknown) => log.error({ err: error, id }, 'a container was not settled'))
    }
  }, lookMs).unref()
  const handlers = engineHandlers({
    ...parts,
    podService,
    containerService,
    streaming,
    version: options.version,
    inTurn: turnTaker(),
  })
  return backendOf(name, { ...handlers, ...events(parts, listeners) }, async () => {
    clearInterval(look)
    await streaming.close()
  })
}

async function recover(parts: EngineParts, containers: Containers, pods: Pods, log: Log): Promise<void> {
  for (const record of parts.containers.list()) {
    await containers.settle(record.id)
    // Made before the machine was restarted, and never started: what it stood on is gone.
    if (record.state === 'created' && record.bootId !== parts.bootId) await containers.remove(record)
  }
  for (const pod of parts.pods.list()) {
    const isHalf = pod.state === 'stopped' && !parts.containers.list().some(({ podId }) => podId === pod.id)
    const isOld = pod.bootId !== parts.bootId && pod.state === 'ready'
    if (isOld) await pods.stop(pod)
    // A stopped pod without containers may be one whose making was cut off: its namespaces are not to stay.
    else if (isHalf) await parts.namespaces.remove(pod.id)
  }
  const known = new Set(parts.containers.list().map(({ id }) => id))
  const bundles = join(parts.stateFolder, 'bundles')
  const left = new Set([
    ...(await parts.snapshots.list()),
    ...(existsSync(bundles) ? readdirSync(bundles) : []),
  ])
  for (const id of left) {
    if (known.has(id)) continue
    log.warn({ id }, 'what a container left that was half made is taken away')
    await parts.snapshots.remove(id)
    rmSync(join(bundles, id), { recursive: true, force: true })
  }
}

/** One thing after another for each key; what failed does not hold up what comes after. */
function turnTaker(): <Result>(id: string, work: () => Promise<Result>) => Promise<Result> {
  const last = new Map<string, Promise<unknown>>()
  return (id, work) => {
    const turn = (last.get(id) ?? Promise.resolve()).then(work, work)
    last.set(id, turn)
    const forget = (): void => {
      if (last.get(id) === turn) last.delete(id)
    }
    turn.then(forget, forget)
    return turn
  }
}

const maximumWaiting = 10_000

function events(
  parts: EngineParts,
  listeners: Set<(event: EngineEvent) => void>,
): Pick<CriHandlers, 'GetContainerEvents'> {
  return {
    async *GetContainerEvents(_, { signal }) {
      const waiting: EngineEvent[] = []
      let wake = (): void => {}
      const listener = (event: EngineEvent): void => {
        // Who does not keep up asks for lists again, as the kubelet does anyway.
        if (waiting.length < maximumWaiting) waiting.push(event)
        wake()
      }
      listeners.add(listener)
      signal.addEventListener('abort', () => wake())
      try {
        while (!signal.aborted) {
          for (let event = waiting.shift(); event; event = waiting.shift()) yield describe(parts, event)
          if (signal.aborted) return
          await new Promise<void>((resolve) => {
            wake = resolve
            if (waiting.length > 0) resolve()
          })
        }
      } finally {
        listeners.delete(listener)
      }
    },
  }
}

function describe({ pods, containers, clock }: EngineParts, { id, podId, type }: EngineEvent) {
  const pod = pods.find(podId)
  return {
    containerId: id,
    containerEventType: type,
    createdAt: clock.now() * 1e6,
    podSandboxStatus: pod ? describePodStatus(pod) : null,
    containersStatuses: containers
      .list()
      .filter((one) => one.podId === podId)
      .map((one) => describeContainerStatus(one, '')),
  }
}
