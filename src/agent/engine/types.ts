import type { ContainerConfig, PodSandboxConfig } from '../cri/cri-types.ts'
import type { ContainerUser } from './find-user.ts'
import type { Holder } from './holder.ts'

/** What kind of low-level runtime a program is: they take the same commands with small differences. */
export type RuntimeKind = 'runc' | 'crun' | 'runsc' | 'youki' | 'kata'

/** A low-level runtime that the engine calls (runtime-spec, "Runtime and Lifecycle"). */
export interface EngineRuntime {
  /** The handler as pods name it. */
  readonly handler: string
  readonly kind: RuntimeKind
  readonly program: string
}

/** A pod as it is kept: one file, written whole. */
export interface PodRecord {
  readonly id: string
  readonly handler: string
  readonly config: PodSandboxConfig
  /** Milliseconds since the epoch. */
  readonly createdAt: number
  readonly state: 'ready' | 'stopped'
  /** Nobody was told of it yet: after a crash it is taken away. */
  readonly isHalfMade?: boolean
  /** Boot of the machine in which it was made: its namespaces are gone with it. */
  readonly bootId: string
  readonly network: 'node' | 'none' | 'cni' | 'user'
  readonly addresses: readonly string[]
  /** What CNI gave, for taking it back. */
  readonly cni?: { readonly configFile: string; readonly result: unknown } | undefined
}

/** A container as it is kept. */
export interface ContainerRecord {
  readonly id: string
  readonly podId: string
  readonly config: ContainerConfig
  /** Id and digest of the image, and the reference by which it is known. */
  readonly imageId: string
  readonly imageDigest: string
  readonly imageReference: string
  readonly stopSignal: string
  /** Who runs in it, where it has users. */
  readonly user?: ContainerUser | undefined
  readonly createdAt: number
  readonly startedAt?: number
  readonly shim?: Holder | undefined
  /** Its first process. */
  readonly pid?: number
  readonly pidStartTime?: string
  readonly bootId: string
  readonly state: 'created' | 'running' | 'exited'
  readonly finishedAt?: number
  readonly exitCode?: number
  readonly reason?: string
  readonly message?: string
}
