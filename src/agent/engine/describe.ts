import type {
  Container,
  ContainerFilter,
  ContainerStats,
  ContainerStatus,
  PodSandbox,
  PodSandboxFilter,
  PodSandboxStats,
  PodSandboxStatus,
} from '../cri/cri-types.ts'
import type { Loose } from '../cri/protocol.ts'
import type { Usage } from './cgroups.ts'
import type { ContainerRecord, PodRecord } from './types.ts'

const nanoseconds = 1e6
const states = {
  created: 'CONTAINER_CREATED',
  running: 'CONTAINER_RUNNING',
  exited: 'CONTAINER_EXITED',
} as const

/** Records in the words of the CRI; times there are nanoseconds. */
export function describePod({ id, config, state, createdAt, handler }: PodRecord): Loose<PodSandbox> {
  return {
    id,
    metadata: config.metadata,
    state: podState(state),
    createdAt: createdAt * nanoseconds,
    labels: config.labels,
    annotations: config.annotations,
    runtimeHandler: handler,
  }
}

export function describePodStatus(record: PodRecord): Loose<PodSandboxStatus> {
  const [ip = '', ...more] = record.addresses
  return {
    ...describePod(record),
    network: { ip, additionalIps: more.map((one) => ({ ip: one })) },
    linux: { namespaces: { options: record.config.linux?.securityContext?.namespaceOptions ?? {} } },
  }
}

function podState(state: PodRecord['state']): PodSandbox['state'] {
  return state === 'ready' ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY'
}

export function describeContainer(record: ContainerRecord): Loose<Container> {
  const { id, podId, config, state, createdAt, imageId, imageReference } = record
  return {
    id,
    podSandboxId: podId,
    metadata: config.metadata,
    image: { image: config.image?.image, userSpecifiedImage: config.image?.userSpecifiedImage },
    imageRef: imageReference,
    imageId,
    state: states[state],
    createdAt: createdAt * nanoseconds,
    labels: config.labels,
    annotations: config.annotations,
  }
}

export function describeContainerStatus(record: ContainerRecord, logPath: string): Loose<ContainerStatus> {
  const { config, user, startedAt = 0, finishedAt = 0, exitCode = 0, reason = '', message = '' } = record
  return {
    ...describeContainer(record),
    startedAt: startedAt * nanoseconds,
    finishedAt: finishedAt * nanoseconds,
    exitCode,
    reason,
    message,
    mounts: config.mounts,
    logPath,
    // A feature that Status tells of (supplementalGroupsPolicy): the kubelet shows which groups it came to.
    ...(user
      ? { user: { linux: { uid: user.uid, gid: user.gid, supplementalGroups: user.additionalGids } } }
      : {}),
    ...(config.linux?.resources ? { resources: { linux: config.linux.resources } } : {}),
  }
}

/** What fits a filter: an id or its beginning, a state, and all of the labels. */
export function matchesPod(record: PodRecord, filter: PodSandboxFilter | null): boolean {
  if (!filter) return true
  return (
    record.id.startsWith(filter.id) &&
    (!filter.state || filter.state.state === podState(record.state)) &&
    hasLabels(record.config.labels, filter.labelSelector)
  )
}

export function matchesContainer(record: ContainerRecord, filter: ContainerFilter | null): boolean {
  if (!filter) return true
  return (
    record.id.startsWith(filter.id) &&
    record.podId.startsWith(filter.podSandboxId) &&
    (!filter.state || filter.state.state === states[record.state]) &&
    hasLabels(record.config.labels, filter.labelSelector)
  )
}

export function hasLabels(
  labels: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value)
}

export function describeStats(
  { id, config }: ContainerRecord,
  usage: Usage,
  layer: { readonly usedBytes: number; readonly inodes: number; readonly folder: string },
  now: number,
): Loose<ContainerStats> {
  const timestamp = now * nanoseconds
  const value = (amount: number | undefined) => (amount === undefined ? null : { value: amount })
  return {
    attributes: { id, metadata: config.metadata, labels: config.labels, annotations: config.annotations },
    cpu: { timestamp, usageCoreNanoSeconds: value(usage.cpuNanoseconds) },
    memory: {
      timestamp,
      workingSetBytes: value(usage.workingSetBytes),
      usageBytes: value(usage.memoryBytes),
    },
    writableLayer: {
      timestamp,
      fsId: { mountpoint: layer.folder },
      usedBytes: { value: layer.usedBytes },
      inodesUsed: { value: layer.inodes },
    },
  }
}

export function describePodStats(
  { id, config }: PodRecord,
  containers: readonly Loose<ContainerStats>[],
  now: number,
): Loose<PodSandboxStats> {
  const timestamp = now * nanoseconds
  const sum = (read: (one: Loose<ContainerStats>) => number | undefined): { value: number } => ({
    value: containers.reduce((total, one) => total + (read(one) ?? 0), 0),
  })
  return {
    attributes: { id, metadata: config.metadata, labels: config.labels, annotations: config.annotations },
    linux: {
      cpu: { timestamp, usageCoreNanoSeconds: sum((one) => one.cpu?.usageCoreNanoSeconds?.value) },
      memory: {
        timestamp,
        workingSetBytes: sum((one) => one.memory?.workingSetBytes?.value),
        usageBytes: sum((one) => one.memory?.usageBytes?.value),
      },
      containers,
    },
  }
}
