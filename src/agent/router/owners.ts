import type { Backend, CallContext } from '../cri/backend.ts'
import { CriFailure } from '../cri/failures.ts'
import { decode, encode } from '../cri/protocol.ts'

export type Kind = 'pod' | 'container'

/** Far more than a node runs; what falls out is asked for again. */
const maximumKnown = 50_000
/** An id as runtimes make them: a shorter one may be the beginning of several. */
const wholeId = /^[0-9a-f]{64}$/

/** Which backend has which pod and container. Nothing is kept on disk: the backends know it, and are asked. */
export class Owners {
  readonly #backends: readonly Backend[]
  readonly #known = new Map<string, Backend>()

  constructor(backends: readonly Backend[]) {
    this.#backends = backends
  }

  remember(id: string, backend: Backend): void {
    this.#known.delete(id)
    this.#known.set(id, backend)
    if (this.#known.size <= maximumKnown) return
    const [oldest] = this.#known.keys()
    this.#known.delete(oldest as string)
  }

  forget(id: string): void {
    this.#known.delete(id)
  }

  /**
   * The backend that has it; undefined when none has. Throws UNAVAILABLE when a backend that may have it does not
   * answer, and INVALID_ARGUMENT when the beginning of an id fits in several.
   */
  async find(kind: Kind, id: string, context: CallContext): Promise<Backend | undefined> {
    if (id === '') throw new CriFailure('INVALID_ARGUMENT', `the ${kind} is not named`)
    const known = this.#known.get(id)
    if (known) return known
    const [only] = this.#backends
    if (only && this.#backends.length === 1) return only
    const found = await this.#ask(kind, id, context)
    if (found.length > 1) {
      const names = found.map(({ name }) => name).join(' and ')
      throw new CriFailure('INVALID_ARGUMENT', `the ${kind} ${id} is in ${names}; give more of its id`)
    }
    const [owner] = found
    if (owner && wholeId.test(id)) this.remember(id, owner)
    return owner
  }

  async #ask(kind: Kind, id: string, context: CallContext): Promise<Backend[]> {
    const answers = await Promise.allSettled(
      this.#backends.map(async (backend) => ((await has(backend, kind, id, context)) ? backend : undefined)),
    )
    const found = answers.flatMap((one) => (one.status === 'fulfilled' && one.value ? [one.value] : []))
    const failed = answers.find((one) => one.status === 'rejected')
    // Whoever is silent may have it: saying that there is none would let the kubelet forget what runs.
    if (found.length === 0 && failed) throw failed.reason
    return found
  }
}

async function has(backend: Backend, kind: Kind, id: string, context: CallContext): Promise<boolean> {
  if (kind === 'pod') {
    const request = encode('ListPodSandboxRequest', { filter: { id } })
    return (
      decode('ListPodSandboxResponse', await backend.call('ListPodSandbox', request, context)).items.length >
      0
    )
  }
  const request = encode('ListContainersRequest', { filter: { id } })
  return (
    decode('ListContainersResponse', await backend.call('ListContainers', request, context)).containers
      .length > 0
  )
}
