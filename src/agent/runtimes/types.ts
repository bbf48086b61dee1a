/** From the weakest to the strongest. */
export const isolationLevels = ['process', 'wasm-sandbox', 'user-space-kernel', 'virtual-machine'] as const
export type IsolationLevel = (typeof isolationLevels)[number]

/** A runtime handler of this node, as it was found. */
export interface RuntimeReport {
  /** The handler as pods name it: a DNS label. */
  readonly handler: string
  /** Name of the backend that runs it, and what the backend calls it. */
  readonly backend: string
  readonly backendHandler: string
  readonly kind: 'cri' | 'engine' | 'wasm'
  /** `runc`, `crun`, `runsc`, `kata`, `youki`, `wasmedge`, …; `unknown` when it could not be told. */
  readonly runtime: string
  readonly program: string | undefined
  /** Of the program. */
  readonly version: string | undefined
  /** What runs it: `containerd 1.6.20`. */
  readonly daemon?: string
  /** `user-namespaces`, `seccomp`, `checkpoint`, `recursive-read-only-mounts`, … */
  readonly features: readonly string[]
  readonly isolation: IsolationLevel | undefined
  /** `works`: it ran a container here, or its daemon says that it is ready. */
  readonly state: 'works' | 'broken' | 'untried'
  /** What is wrong, and what to do. */
  readonly why?: string
  /** Median of what its program takes to create and start a container, measured on this node. */
  readonly startMs?: number
  /** What the runtime holds for each container, besides what is in it. */
  readonly memoryBytes?: number
  /** Thousandths of a processor that it uses for each container that does nothing. */
  readonly cpuMillicores?: number
  /** Of an empty pod as a whole, with the part of its daemon: shim, sandbox and pause container. */
  readonly podStartMs?: number
  readonly podMemoryBytes?: number
  /** Options with which the program was tried, where it needs any. */
  readonly arguments?: readonly string[]
  /** Milliseconds since the epoch. */
  readonly measuredAt?: number
}

/** What a workload asks for. */
export interface Need {
  readonly isolation?: IsolationLevel | 'strong' | undefined
  readonly performance?: 'best' | undefined
  readonly isWasm?: boolean | undefined
}
