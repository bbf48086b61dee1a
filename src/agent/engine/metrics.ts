import type { CriHandlers } from '../cri/backend.ts'
import type { Usage } from './cgroups.ts'
import type { EngineParts } from './engine-parts.ts'
import { containerUsage } from './process-usage.ts'
import type { PodRecord } from './types.ts'

const nanoseconds = 1e6
const labelKeys = ['namespace', 'pod', 'container']

/** What is told of each container, by names that dashboards for Kubernetes know. */
const metrics = [
  {
    name: 'container_cpu_usage_seconds_total',
    help: 'Processor time used, in whole seconds',
    metricType: 'COUNTER',
    read: ({ cpuNanoseconds }: Usage) =>
      cpuNanoseconds === undefined ? undefined : Math.floor(cpuNanoseconds / 1e9),
  },
  {
    name: 'container_memory_usage_bytes',
    help: 'Memory used, with what the kernel can take back',
    metricType: 'GAUGE',
    read: ({ memoryBytes }: Usage) => memoryBytes,
  },
  {
    name: 'container_memory_working_set_bytes',
    help: 'Memory used, without what the kernel can take back at once',
    metricType: 'GAUGE',
    read: ({ workingSetBytes }: Usage) => workingSetBytes,
  },
  {
    name: 'container_processes',
    help: 'Processes and threads',
    metricType: 'GAUGE',
    read: ({ processes }: Usage) => processes,
  },
  {
    name: 'container_oom_events_total',
    help: 'Times that it ran out of memory',
    metricType: 'COUNTER',
    read: ({ oomKills }: Usage) => oomKills,
  },
] as const

/** Measurements of running containers, read from their control groups; what these do not tell is left out. */
export function metricHandlers({ pods, containers, clock }: EngineParts): CriHandlers {
  const describe = (pod: PodRecord) => ({
    podSandboxId: pod.id,
    metrics: [],
    containerMetrics: containers
      .list()
      .filter(({ podId, state }) => podId === pod.id && state === 'running')
      .map((record) => {
        const { id, config } = record
        const usage = containerUsage(pod, record)
        const { namespace = '', name = '' } = pod.config.metadata ?? {}
        const labelValues = [namespace, name, config.metadata?.name ?? '']
        const timestamp = clock.now() * nanoseconds
        return {
          containerId: id,
          metrics: metrics.flatMap(({ name: metric, metricType, read }) => {
            const value = read(usage)
            return value === undefined
              ? []
              : [{ name: metric, timestamp, metricType, labelValues, value: { value } }]
          }),
        }
      }),
  })
  return {
    async ListMetricDescriptors() {
      return { descriptors: metrics.map(({ name, help }) => ({ name, help, labelKeys })) }
    },
    async ListPodSandboxMetrics() {
      return { podMetrics: pods.list().map(describe) }
    },
    async *StreamPodSandboxMetrics() {
      for (const pod of pods.list()) yield { podSandboxMetrics: [describe(pod)] }
    },
  }
}
