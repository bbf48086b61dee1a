import { join } from 'node:path'
import { imageHandlers } from '../content/image-handlers.ts'
import type { CriHandlers } from '../cri/backend.ts'
import type {
  ContainerFilter,
  ContainerStatsFilter,
  LinuxContainerResources,
  PodSandboxStatsFilter,
} from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import type { StreamingServer } from '../streaming/types.ts'
import { userNamespace } from '../rootless/user-namespace.ts'
import { findObstacle } from '../rootless/user-network.ts'
import { cgroupMode } from './cgroups.ts'
import {
  describeContainer,
  describeContainerStatus,
  describePod,
  describePodStats,
  describePodStatus,
  describeStats,
  hasLabels,
  matchesContainer,
  matchesPod,
} from './describe.ts'
import type { EngineParts } from './engine-parts.ts'
import { execSync } from './exec.ts'
import type { HeldContainers } from './held-containers.ts'
import { reopenLog } from './hold-container.ts'
import { usesImage } from './image-volumes.ts'
import { metricHandlers } from './metrics.ts'
import type { Pods } from './pods.ts'
import { containerUsage } from './process-usage.ts'
import type { Records } from './records.ts'
import type { ContainerRecord, PodRecord } from './types.ts'

/** What the calls about pods and containers are made of, whoever runs them. */
export interface LifecycleParts {
  readonly pods: Records<PodRecord>
  readonly containers: Records<ContainerRecord>
  readonly podService: Pick<Pods, 'run' | 'stop' | 'remove'>
  readonly containerService: HeldContainers
  readonly update: (record: ContainerRecord, linux: LinuxContainerResources | null) => Promise<void>
  readonly streaming: StreamingServer
  readonly socketOf: (containerId: string) => string
  /** One thing after another for each id. */
  readonly inTurn: <Result>(id: string, work: () => Promise<Result>) => Promise<Result>
}

export interface HandlerParts extends EngineParts, LifecycleParts {
  readonly version: string
}

/** The RuntimeService and ImageService of the CRI over the engine's pods and containers. */
export function engineHandlers(parts: HandlerParts): CriHandlers {
  return {
    ...imageHandlers({
      store: parts.store,
      folder: join(parts.stateFolder, 'content'),
      now: () => parts.clock.now(),
      isUsed: ({ id }) => parts.containers.list().some((container) => usesImage(parts, container, id)),
      removed: () => parts.snapshots.prune(parts.store.list()),
    }),
    ...podHandlers(parts),
    ...containerHandlers(parts),
    ...streamHandlers(parts),
    ...statsHandlers(parts),
    ...metricHandlers(parts),
    ...runtimeHandlers(parts),
  }
}

export function podHandlers({ pods, podService, inTurn }: LifecycleParts): CriHandlers {
  const onPod = (id: string, work: (record: PodRecord) => Promise<void>) => inTurnOf(pods, inTurn, id, work)
  return {
    async RunPodSandbox({ config, runtimeHandler }) {
      if (!config?.metadata)
        throw new CriFailure('INVALID_ARGUMENT', 'a pod needs a configuration with metadata')
      return { podSandboxId: (await podService.run(runtimeHandler, config)).id }
    },
    async StopPodSandbox({ podSandboxId }) {
      await onPod(podSandboxId, (record) => podService.stop(record))
      return {}
    },
    async RemovePodSandbox({ podSandboxId }) {
      await onPod(podSandboxId, (record) => podService.remove(record))
      return {}
    },
    async PodSandboxStatus({ podSandboxId, verbose }) {
      const record = pods.get(podSandboxId)
      const info = { network: record.network, bootId: record.bootId }
      return { status: describePodStatus(record), info: verbose ? { info: JSON.stringify(info) } : {} }
    },
    async ListPodSandbox({ filter }) {
      return {
        items: pods
          .list()
          .filter((one) => matchesPod(one, filter))
          .map(describePod),
      }
    },
    async *StreamPodSandboxes({ filter }) {
      for (const one of pods.list()) if (matchesPod(one, filter)) yield { podSandboxes: [describePod(one)] }
    },
    async UpdatePodSandboxResources({ podSandboxId }) {
      // Limits are those of containers; pods of the engine have no group of their own to change.
      pods.get(podSandboxId)
      return {}
    },
  }
}

export function containerHandlers(parts: LifecycleParts): CriHandlers {
  const { containers, containerService, pods, inTurn } = parts
  const onContainer = (id: string, work: (record: ContainerRecord) => Promise<void>) =>
    inTurnOf(containers, inTurn, id, work)
  // Before its turn comes: who stops it now would have the turn until the grace is over.
  const hasten = (id: string, timeoutMs: number): void => {
    const found = containers.find(id)
    if (found) containerService.hasten(found.id, timeoutMs)
  }
  const settled = async (id: string): Promise<ContainerRecord> => {
    const { id: whole } = containers.get(id)
    await containerService.settle(whole)
    return containers.get(whole)
  }
  const list = async (filter: ContainerFilter | null): Promise<ContainerRecord[]> => {
    await Promise.all(containers.list().map(({ id }) => containerService.settle(id)))
    return containers.list().filter((one) => matchesContainer(one, filter))
  }
  return {
    async CreateContainer({ podSandboxId, config }, context) {
      if (!config?.metadata)
        throw new CriFailure('INVALID_ARGUMENT', 'a container needs a configuration with metadata')
      const pod = pods.get(podSandboxId)
      return { containerId: (await containerService.create(pod, config, context)).id }
    },
    async StartContainer({ containerId }) {
      const { id } = containers.get(containerId)
      await inTurn(id, () => containerService.start(containers.get(id)))
      return {}
    },
    async StopContainer({ containerId, timeout }) {
      hasten(containerId, timeout * 1_000)
      await onContainer(containerId, (record) => containerService.stop(record, timeout * 1_000))
      return {}
    },
    async RemoveContainer({ containerId }) {
      hasten(containerId, 0)
      await onContainer(containerId, (record) => containerService.remove(record))
      return {}
    },
    async ContainerStatus({ containerId, verbose }) {
      const record = await settled(containerId)
      const info = { pid: record.pid, shim: record.shim, imageDigest: record.imageDigest }
      return {
        status: describeContainerStatus(record, logPathOf(parts, record)),
        info: verbose ? { info: JSON.stringify(info) } : {},
      }
    },
    async ListContainers({ filter }) {
      return { containers: (await list(filter)).map(describeContainer) }
    },
    async *StreamContainers({ filter }) {
      for (const one of await list(filter)) yield { containers: [describeContainer(one)] }
    },
    async UpdateContainerResources({ containerId, linux }) {
      const { id } = containers.get(containerId)
      await inTurn(id, async () => parts.update(await settled(id), linux))
      return {}
    },
    async ReopenContainerLog({ containerId }) {
      const record = await settled(containerId)
      if (record.state !== 'running') {
        throw new CriFailure(
          'FAILED_PRECONDITION',
          `the container ${record.id} does not run, it is ${record.state}`,
        )
      }
      await reopenLog(parts.socketOf(record.id))
      return {}
    },
  }
}

/** Work on what is there when its turn has come, by its whole id; on what is gone there is nothing to do. */
async function inTurnOf<Kept extends { readonly id: string }>(
  records: Records<Kept>,
  inTurn: LifecycleParts['inTurn'],
  id: string,
  work: (record: Kept) => Promise<void>,
): Promise<void> {
  const found = records.find(id)
  if (!found) return
  await inTurn(found.id, async () => {
    const record = records.find(found.id)
    if (record) await work(record)
  })
}

function logPathOf({ pods }: LifecycleParts, { podId, config }: ContainerRecord): string {
  if (config.logPath === '') return ''
  return join(pods.find(podId)?.config.logDirectory ?? '', config.logPath)
}

function streamHandlers(parts: HandlerParts): CriHandlers {
  const { containers, pods, streaming } = parts
  return {
    async ExecSync({ containerId, cmd, timeout }, { signal }) {
      return execSync(parts, containers.get(containerId), cmd, timeout * 1_000, signal)
    },
    async Exec(request) {
      containers.get(request.containerId)
      return { url: streaming.execUrl(request) }
    },
    async Attach(request) {
      containers.get(request.containerId)
      return { url: streaming.attachUrl(request) }
    },
    async PortForward(request) {
      pods.get(request.podSandboxId)
      return { url: streaming.portForwardUrl(request) }
    },
    async CheckpointContainer() {
      throw new CriFailure(
        'FAILED_PRECONDITION',
        'the embedded engine makes no checkpoints; use a runtime with CRIU behind the agent (containerd 2, CRI-O)',
      )
    },
  }
}

function statsHandlers(parts: HandlerParts): CriHandlers {
  const { containers, pods, snapshots, clock, stateFolder } = parts
  const measure = async (record: ContainerRecord) => {
    const pod = pods.find(record.podId)
    const layer = await snapshots.usage(record.id)
    const usage = pod && record.state === 'running' ? containerUsage(pod, record) : {}
    return describeStats(record, usage, { ...layer, folder: join(stateFolder, 'snapshots') }, clock.now())
  }
  const some = (filter: ContainerStatsFilter | null): readonly ContainerRecord[] =>
    containers
      .list()
      .filter(
        (one) =>
          !filter ||
          (one.id.startsWith(filter.id) &&
            one.podId.startsWith(filter.podSandboxId) &&
            hasLabels(one.config.labels, filter.labelSelector)),
      )
  const measurePod = async (pod: PodRecord) => {
    const own = containers.list().filter(({ podId }) => podId === pod.id)
    return describePodStats(pod, await Promise.all(own.map(measure)), clock.now())
  }
  const somePods = (filter: PodSandboxStatsFilter | null): readonly PodRecord[] =>
    pods
      .list()
      .filter(
        (one) =>
          !filter || (one.id.startsWith(filter.id) && hasLabels(one.config.labels, filter.labelSelector)),
      )
  return {
    ContainerStats: async ({ containerId }) => ({ stats: await measure(containers.get(containerId)) }),
    ListContainerStats: async ({ filter }) => ({ stats: await Promise.all(some(filter).map(measure)) }),
    async *StreamContainerStats({ filter }) {
      for (const one of some(filter)) yield { containerStats: [await measure(one)] }
    },
    PodSandboxStats: async ({ podSandboxId }) => ({ stats: await measurePod(pods.get(podSandboxId)) }),
    ListPodSandboxStats: async ({ filter }) => ({
      stats: await Promise.all(somePods(filter).map(measurePod)),
    }),
    async *StreamPodSandboxStats({ filter }) {
      for (const one of somePods(filter)) yield { podSandboxStats: [await measurePod(one)] }
    },
  }
}

/** Why pods have no network of their own here; undefined when they can. */
function networkObstacle(cni: EngineParts['cni']): string | undefined {
  if (!userNamespace()) {
    const why = 'there is no CNI configuration in /etc/cni/net.d; see pratique node network'
    return cni.findConfig() === undefined ? why : undefined
  }
  const obstacle = findObstacle()
  return obstacle && `${obstacle.why}: ${obstacle.remedy}`
}

function runtimeHandlers({ runtimes, cni, version }: HandlerParts): CriHandlers {
  return {
    async Version() {
      return {
        version: '0.1.0',
        runtimeName: 'pratique-engine',
        runtimeVersion: version,
        runtimeApiVersion: 'v1',
      }
    },
    async Status() {
      const why = networkObstacle(cni)
      return {
        status: {
          conditions: [
            {
              type: 'RuntimeReady',
              status: runtimes.size > 0,
              ...(runtimes.size > 0
                ? {}
                : { reason: 'NoRuntime', message: 'install runc, crun or runsc; see pratique doctor node' }),
            },
            {
              type: 'NetworkReady',
              status: why === undefined,
              ...(why === undefined ? {} : { reason: 'NetworkPluginNotReady', message: why }),
            },
          ],
        },
        runtimeHandlers: await Promise.all(
          Array.from(runtimes, async ([name, runtime]) => ({
            name,
            features: {
              recursiveReadOnlyMounts: await runtime.hasFeature('recursive-read-only-mounts'),
            },
          })),
        ),
        features: { supplementalGroupsPolicy: true },
        info: { cgroups: JSON.stringify({ mode: cgroupMode() }) },
      }
    },
    async RuntimeConfig() {
      return { linux: { cgroupDriver: 'CGROUPFS' } }
    },
    async UpdateRuntimeConfig() {
      // Addresses come from the CNI configuration; there is no template to fill in.
      return {}
    },
  }
}
