import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../kernel/clock.ts'
import type { Log } from '../../kernel/log.ts'
import { openContentStore, type ContentStoreOptions } from '../content/content-store.ts'
import { openSnapshots } from '../content/snapshots.ts'
import { backendOf, type Backend } from '../cri/backend.ts'
import { holderVariable } from '../rootless/user-namespace.ts'
import { startStreamingServer } from '../streaming/start-streaming-server.ts'
import { cgroupMode } from './cgroups.ts'
import { Cni, usualCni, type CniOptions } from './cni.ts'
import { engineHandlers } from './engine-handlers.ts'
import { eventsOf } from './events.ts'
import { placesOf, type EngineEvent, type EngineParts } from './engine-parts.ts'
import { streamingTarget } from './exec.ts'
import { HeldContainers } from './held-containers.ts'
import { LowLevelRuntime } from './low-level-runtime.ts'
import { PodNamespaces } from './namespaces.ts'
import { Pods } from './pods.ts'
import { Records } from './records.ts'
import { runtimeContainers } from './runtime-containers.ts'
import type { ContainerRecord, EngineRuntime, PodRecord } from './types.ts'
import { updateContainer } from './update-container.ts'

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
    bootId: bootId(),
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
    log,
  }
  const containerService = new HeldContainers(parts, runtimeContainers(parts))
  const podService = new Pods(parts, containerService)
  await recover(parts, containerService, podService)
  const streaming = await startStreamingServer({ target: streamingTarget(parts), log })
  const looks = [containerService.lookAfter(), podService.lookAfter()]
  const handlers = engineHandlers({
    ...parts,
    podService,
    containerService,
    update: (record, linux) => updateContainer(parts, record, linux),
    streaming,
    version: options.version,
    socketOf: (id) => placesOf(parts, id).socket,
    inTurn: containerService.inTurn,
  })
  return backendOf(name, { ...handlers, ...eventsOf(parts, listeners) }, async () => {
    looks.forEach((look) => look.close())
    await streaming.close()
  })
}

/** Namespaces end with the machine, or with what holds those of an account. */
function bootId(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return [boot, process.env[holderVariable] ?? []].flat().join(' ')
}

async function recover(parts: EngineParts, containers: HeldContainers, pods: Pods): Promise<void> {
  // A network plugin that fails, or a runtime that is not there any more, must not keep the engine from opening.
  const orSay = ({ id }: { readonly id: string }, work: () => Promise<void>): Promise<void> =>
    work().catch((error: unknown) =>
      parts.log.error({ err: error, id }, 'what was left was not put in order'),
    )
  for (const record of parts.containers.list()) {
    await orSay(record, async () => {
      await containers.adopt(record)
      await containers.settle(record.id)
      // Made before the machine was restarted, and never started: what it stood on is gone.
      if (record.state === 'created' && record.bootId !== parts.bootId) await containers.remove(record)
    })
  }
  for (const pod of parts.pods.list()) {
    const isHalf = pod.state === 'stopped' && !parts.containers.list().some(({ podId }) => podId === pod.id)
    const isOld = pod.bootId !== parts.bootId && pod.state === 'ready'
    if (pod.isHalfMade) await orSay(pod, () => pods.remove(pod))
    // What is not given back now is so when the pod is removed.
    else if (isOld) {
      await orSay(pod, () => pods.stop(pod))
      const left = parts.pods.find(pod.id)
      if (left?.state === 'ready') parts.pods.save({ ...left, state: 'stopped' })
    }
    // A stopped pod without containers may be one whose making was cut off: its namespaces are not to stay.
    else if (isHalf) await parts.namespaces.remove(pod.id)
  }
  await containers.removeLeft()
}
