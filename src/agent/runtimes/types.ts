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
  readonly version: string | undefined
  /** `user-namespaces`, `seccomp`, `checkpoint`, `recursive-read-only-mounts`, … */
  readonly features: readonly string[]
  readonly isolation: IsolationLevel | undefined
  /** `works`: it ran a container here, or its daemon says that it is ready. */
  readonly state: 'works' | 'broken' | 'untried'
  /** What is wrong, and what to do. */
  readonly why?: string
  /** Medians, measured on this node. */
  readonly startMs?: number
  readonly memoryBytes?: number
  /** Milliseconds since the epoch. */
  readonly measuredAt?: number
}

/** What a workload asks for. */
export interface Need {
  readonly isolation?: IsolationLevel | 'strong' | undefined
  readonly performance?: 'best' | undefined
  readonly isWasm?: boolean | undefined
}
