import type { Backend } from '../cri/backend.ts'
import type { PodSandboxConfig } from '../cri/cri-types.ts'

/** Where pods of a handler go. */
export interface Destination {
  /** The handler as pods name it. */
  readonly handler: string
  readonly backend: Backend
  /** What the backend calls it; empty for its own default. */
  readonly backendHandler: string
}

export interface RouterParts {
  /** In the order in which they are asked; the first answers what is asked of no pod in particular. */
  readonly backends: readonly Backend[]
  readonly version: string
  /** Where a pod goes: by the handler that it names, or by what its annotations need. Throws `CriFailure`. */
  readonly choose: (handler: string, config: PodSandboxConfig | null) => Destination
  /** Every handler, with its features as the backend gave them. */
  readonly handlers: () => readonly Destination[]
}
