import { join } from 'node:path'
import type { Clock } from '../../kernel/clock.ts'
import type { Log } from '../../kernel/log.ts'
import type { ContentStore, Snapshots } from '../content/types.ts'
import { CriFailure } from '../cri/failures.ts'
import type { Cni } from './cni.ts'
import type { LowLevelRuntime } from './low-level-runtime.ts'
import type { PodNamespaces } from './namespaces.ts'
import type { Records } from './records.ts'
import type { ContainerRecord, PodRecord } from './types.ts'

/** Something that happened to a container or a pod; the words are those of the CRI. */
export interface EngineEvent {
  readonly id: string
  readonly podId: string
  readonly type:
    | 'CONTAINER_CREATED_EVENT'
    | 'CONTAINER_STARTED_EVENT'
    | 'CONTAINER_STOPPED_EVENT'
    | 'CONTAINER_DELETED_EVENT'
}

/** What containers need that shims hold. */
export interface HeldParts {
  readonly clock: Clock
  readonly bootId: string
  readonly stateFolder: string
  readonly runFolder: string
  readonly store: ContentStore
  readonly snapshots: Snapshots
  readonly pods: Records<PodRecord>
  readonly containers: Records<ContainerRecord>
  readonly emit: (event: EngineEvent) => void
  readonly log: Log
}

/** What the parts of the engine share. */
export interface EngineParts extends HeldParts {
  readonly runtimes: ReadonlyMap<string, LowLevelRuntime>
  readonly namespaces: PodNamespaces
  readonly cni: Cni
}

/** Files of one container. */
export function placesOf(
  { stateFolder, runFolder }: Pick<HeldParts, 'stateFolder' | 'runFolder'>,
  id: string,
) {
  const bundle = join(stateFolder, 'bundles', id)
  return {
    bundle,
    exitFile: join(bundle, 'exit.json'),
    pidFile: join(bundle, 'pid'),
    shimFile: join(bundle, 'shim.json'),
    runtimeLog: join(bundle, 'runtime.log'),
    // A path of a socket is short (unix(7)).
    socket: join(runFolder, 'shims', `${id.slice(0, 24)}.sock`),
  }
}

export function podFolder({ stateFolder }: Pick<EngineParts, 'stateFolder'>, podId: string): string {
  return join(stateFolder, 'pod-files', podId)
}

export function findRuntime({ runtimes }: EngineParts, handler: string): LowLevelRuntime | undefined {
  const [first] = runtimes.values()
  return handler === '' ? first : runtimes.get(handler)
}

export function getRuntime(parts: EngineParts, handler: string): LowLevelRuntime {
  const found = findRuntime(parts, handler)
  if (found) return found
  const names = [...parts.runtimes.keys()].join(', ') || 'none'
  throw new CriFailure('NOT_FOUND', `the engine has no runtime ${handler}; it has ${names}`)
}

/** The path of a container's control groups below their roots. */
export function cgroupPath({ config, id }: Pick<PodRecord, 'config' | 'id'>, containerId: string): string {
  const parent = config.linux?.cgroupParent || `/pratique/${id.slice(0, 24)}`
  return join('/', parent, containerId.slice(0, 24))
}
