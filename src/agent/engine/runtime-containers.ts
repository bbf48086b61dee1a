import { existsSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { ContainerConfig, LinuxContainerConfig, NamespaceOption } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { userNamespace } from '../rootless/user-namespace.ts'
import { cgroupMode, readUsage, removeGroups } from './cgroups.ts'
import { cgroupPath, findRuntime, getRuntime, placesOf, podFolder, type EngineParts } from './engine-parts.ts'
import type { ContainerKind } from './held-containers.ts'
import { isAlive } from './holder.ts'
import { withImageVolumes } from './image-volumes.ts'
import type { LowLevelRuntime } from './low-level-runtime.ts'
import { runtimeSpec, userOf, type SpecParts } from './runtime-spec.ts'
import type { ContainerRecord, PodRecord } from './types.ts'

/** Containers that a low-level runtime makes of an OCI bundle. */
export function runtimeContainers(parts: EngineParts): ContainerKind {
  const { pods, snapshots } = parts
  const clean = async ({ id, podId }: ContainerRecord): Promise<void> => {
    const pod = pods.find(podId)
    // Of a runtime that is not configured any more nobody can take away what it kept.
    const runtime = pod && findRuntime(parts, pod.handler)
    if (runtime) await runtime.remove(pod, id)
  }
  return {
    async prepare({ id, pod, config, image, bundle }, context) {
      const runtime = getRuntime(parts, pod.handler)
      requireLimits(runtime, config)
      const root = await snapshots.prepare(image, id, context)
      const asked: SpecParts = {
        id,
        pod,
        config: await withImageVolumes(parts, id, config, context),
        hasRecursiveReadOnly: await runtime.hasFeature('recursive-read-only-mounts'),
        image: image.config,
        root,
        namespaces: await namespacesOf(parts, pod, config),
        podFiles: podFiles(parts, pod, config),
        cgroupPath: cgroupMode() === 'none' ? undefined : cgroupPath(pod, id),
        userNamespace: userNamespace(),
      }
      const user = userOf(asked)
      const spec = runtimeSpec(asked, user)
      writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec), { mode: 0o600 })
      return { stopSignal: stopSignalOf(config, image.config.config?.StopSignal), user }
    },
    command({ id }, pod) {
      const { bundle, pidFile, runtimeLog } = placesOf(parts, id)
      const runtime = getRuntime(parts, pod.handler)
      // Groups that are kept tell afterwards whether it ran out of memory.
      const keep = runtime.kind === 'runc' ? ['--keep'] : []
      const options = [...keep, '--bundle', bundle, '--pid-file', pidFile, id]
      return {
        ...runtime.commandLine(pod, runtimeLog, 'run', ...options),
        environment: { PATH: process.env['PATH'] ?? '' },
        runtimeLog,
      }
    },
    async signal(record, signal) {
      const { id, podId } = record
      const pod = pods.get(podId)
      const runtime = getRuntime(parts, pod.handler)
      const sharing = record.config.linux?.securityContext?.namespaceOptions?.pid ?? 'CONTAINER'
      if (signal === 'KILL' && !runtime.hasLimits && sharing !== 'CONTAINER') killAll(record)
      await runtime.kill(pod, id, signal, signal === 'KILL')
    },
    reasonOf({ id, podId }, { exitCode }) {
      const pod = pods.find(podId)
      const { oomKills = 0 } = pod ? readUsage(cgroupPath(pod, id)) : {}
      return oomKills > 0 && exitCode === 137 ? 'OOMKilled' : undefined
    },
    clean,
    async release(record) {
      await clean(record)
      const pod = pods.find(record.podId)
      if (pod) removeGroups(cgroupPath(pod, record.id))
    },
  }
}

async function namespacesOf(parts: EngineParts, pod: PodRecord, config: ContainerConfig) {
  const { namespaces } = parts
  const path = (kind: 'net' | 'ipc' | 'uts'): string => namespaces.path(pod.id, kind)
  return {
    network: pod.network === 'node' ? 'node' : path('net'),
    ipc: hasNodeIpc(pod, config) ? 'node' : path('ipc'),
    uts: pod.network === 'node' ? 'node' : path('uts'),
    pid: await pidNamespace(parts, pod, config.linux?.securityContext?.namespaceOptions),
  }
}

function hasNodeIpc(pod: PodRecord, config: ContainerConfig): boolean {
  const options = config.linux?.securityContext?.namespaceOptions
  return (options ?? pod.config.linux?.securityContext?.namespaceOptions)?.ipc === 'NODE'
}

function podFiles(parts: EngineParts, pod: PodRecord, config: ContainerConfig): Record<string, string> {
  const folder = podFolder(parts, pod.id)
  const files = {
    '/etc/hosts': join(folder, 'hosts'),
    '/etc/hostname': join(folder, 'hostname'),
    '/etc/resolv.conf': join(folder, 'resolv.conf'),
    // POSIX shared memory is files there (shm_overview(7)).
    '/dev/shm': hasNodeIpc(pod, config) ? '/dev/shm' : join(folder, 'shm'),
  }
  return Object.fromEntries(Object.entries(files).filter(([, source]) => existsSync(source)))
}

async function pidNamespace(
  parts: EngineParts,
  pod: PodRecord,
  options: NamespaceOption | null | undefined,
): Promise<string | undefined> {
  const { pid: mode = 'CONTAINER', targetId = '' } = options ?? {}
  if (mode === 'NODE') return 'node'
  if (mode === 'CONTAINER') return undefined
  if (getRuntime(parts, pod.handler).kind === 'runsc') {
    throw new CriFailure(
      'FAILED_PRECONDITION',
      'containers of gVisor in the embedded engine have a kernel each, and cannot share processes: leave shareProcessNamespace out (namespace option pid: CONTAINER), or use the handler runc',
    )
  }
  if (mode === 'POD') return parts.namespaces.processes(pod.id)
  const target = parts.containers.find(targetId)
  if (target?.state === 'running' && target.pid !== undefined) return `/proc/${target.pid}/ns/pid`
  throw new CriFailure('FAILED_PRECONDITION', 'the container whose processes are to be seen does not run')
}

/** Limits that would not hold are refused, not forgotten. Throws FAILED_PRECONDITION. */
export function requireLimits(
  { hasLimits, handler }: LowLevelRuntime,
  { linux }: { readonly linux: Pick<LinuxContainerConfig, 'resources'> | null },
): void {
  const { memoryLimitInBytes = 0, cpuQuota = 0 } = linux?.resources ?? {}
  if (hasLimits || (memoryLimitInBytes <= 0 && cpuQuota <= 0)) return
  throw new CriFailure(
    'FAILED_PRECONDITION',
    userNamespace()
      ? 'an account without root has no control groups, so that limits of memory and processor would not hold: leave them out, or run the agent as root'
      : `${handler} cannot hold limits of memory or processor with the control groups of this machine; use the handler runc, or a machine with cgroup v2 only`,
  )
}

/** As all runtimes know it: by its name, and signals for real time by their number (signal(7)). TERM for what is none. */
export function stopSignalOf(
  { stopSignal }: Pick<ContainerConfig, 'stopSignal'>,
  ofImage: string | undefined,
): string {
  const asked = stopSignal === 'RUNTIME_DEFAULT' ? (ofImage ?? '') : stopSignal
  const name = asked.replace(/^SIG/, '').replace('RTMINPLUS', 'RTMIN+').replace('RTMAXMINUS', 'RTMAX-')
  const [, base, distance = '0'] = /^RT(MIN|MAX)(?:[+-](\d{1,2}))?$/.exec(name) ?? []
  const number =
    base === 'MIN' ? 34 + Number(distance) : base === 'MAX' ? 64 - Number(distance) : Number(name)
  if (Number.isInteger(number)) return number >= 1 && number <= 64 ? String(number) : 'TERM'
  return `SIG${name}` in constants.signals ? name : 'TERM'
}

/**
 * Kills all processes of a container that shares them with others where no control group tells which are its own:
 * those that see its files.
 */
function killAll({ pid = 0, pidStartTime = '' }: ContainerRecord): void {
  if (!isAlive({ pid, startTime: pidStartTime })) return
  const filesOf = (process: string): string | undefined => {
    try {
      return readlinkSync(`/proc/${process}/ns/mnt`)
    } catch {
      // It has ended, or is of somebody else.
      return undefined
    }
  }
  const own = filesOf(String(pid))
  if (own === undefined || own === filesOf('self')) return
  for (const one of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (filesOf(one) !== own) continue
    try {
      process.kill(Number(one), 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
}
