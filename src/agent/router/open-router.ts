import type { Backend, CallContext } from '../cri/backend.ts'
import { CriFailure } from '../cri/failures.ts'
import { amend, decode, encode, getCall, type CallName } from '../cri/protocol.ts'
import { mapItems } from '../cri/splice.ts'
import { joinStatus } from './join-status.ts'
import { mergeStreams } from './merge-streams.ts'
import { Owners, type Kind } from './owners.ts'
import { renameHandlers } from './rename-handlers.ts'
import type { RouterParts } from './types.ts'

type Answer = (name: CallName, request: Buffer, context: CallContext) => Promise<Buffer>

/**
 * Several backends as one: each pod lives in the backend of its handler, and what is asked of it goes there. Lists
 * are those of all backends behind one another, which is how repeated fields of messages are joined (Protocol
 * Buffers, "Encoding": concatenated messages are merged). A list is whole or it is refused: what is missing in it
 * the kubelet would take for gone.
 */
export function openRouter(parts: RouterParts): Backend {
  const router = new Router(parts)
  return {
    name: 'router',
    call: (name, request, context) => router.answer(name, request, context),
    stream: (name, request, context) => router.stream(name, request, context),
    async close() {
      await Promise.all(parts.backends.map((backend) => backend.close()))
    },
  }
}

class Router {
  readonly #parts: RouterParts
  readonly #owners: Owners
  readonly #first: Backend
  readonly #special: Readonly<Partial<Record<CallName, Answer>>>

  constructor(parts: RouterParts) {
    const [first] = parts.backends
    if (!first) throw new CriFailure('FAILED_PRECONDITION', 'no runtime was found; see pratique doctor node')
    this.#parts = parts
    this.#first = first
    this.#owners = new Owners(parts.backends)
    this.#special = {
      RunPodSandbox: (_, request, context) => this.#runPod(request, context),
      CreateContainer: (_, request, context) => this.#createContainer(request, context),
      Version: async () => this.#version(),
      Status: (_, request, context) => joinStatus(parts, request, context),
      PullImage: (_, request, context) => this.#pullImage(request, context),
      ImageStatus: (_, request, context) => this.#imageStatus(request, context),
      RuntimeConfig: (...call) => this.#first.call(...call),
      ListMetricDescriptors: (...call) => this.#fromAll(...call),
      UpdateRuntimeConfig: (...call) => this.#toAll(...call),
      RemoveImage: (...call) => this.#toAll(...call),
      ListImages: async (...call) => eachOnce(await this.#fromAll(...call)),
    }
  }

  async answer(name: CallName, request: Buffer, context: CallContext): Promise<Buffer> {
    const special = this.#special[name]
    if (special) return special(name, request, context)
    const id = idOf(name, request)
    return id ? this.#toOwner(name, id, request, context) : this.#fromAll(name, request, context)
  }

  async *stream(name: CallName, request: Buffer, context: CallContext): AsyncIterable<Buffer> {
    const all = mergeStreams(
      this.#parts.backends.map((backend) => this.#renamedStream(backend, name, request, context)),
    )
    if (name !== 'StreamImages') return yield* all
    const seen = new Set<string>()
    for await (const images of all) yield eachOnce(images, seen)
  }

  async *#renamedStream(backend: Backend, name: CallName, request: Buffer, context: CallContext) {
    for await (const message of backend.stream(name, request, context)) {
      yield renameHandlers(this.#parts, backend, name, message)
    }
  }

  async #runPod(request: Buffer, context: CallContext): Promise<Buffer> {
    const { runtimeHandler, config } = decode('RunPodSandboxRequest', request)
    const { backend, backendHandler } = this.#parts.choose(runtimeHandler, config)
    const changed = amend('RunPodSandboxRequest', request, [], { runtimeHandler: backendHandler })
    const answer = await backend.call('RunPodSandbox', changed, context)
    this.#owners.remember(decode('RunPodSandboxResponse', answer).podSandboxId, backend)
    return answer
  }

  async #createContainer(request: Buffer, context: CallContext): Promise<Buffer> {
    const { podSandboxId } = decode('CreateContainerRequest', request)
    const backend = (await this.#owners.find('pod', podSandboxId, context)) ?? this.#first
    const answer = await backend.call('CreateContainer', request, context)
    this.#owners.remember(decode('CreateContainerResponse', answer).containerId, backend)
    return answer
  }

  /** To the backend that has it; where none has, the first says so, or that it is content (the CRI wants it so). */
  async #toOwner(name: CallName, { kind, id }: Id, request: Buffer, context: CallContext): Promise<Buffer> {
    const backend = (await this.#owners.find(kind, id, context)) ?? this.#first
    const answer = await backend.call(name, request, context)
    if (name === 'RemovePodSandbox' || name === 'RemoveContainer') this.#owners.forget(id)
    return renameHandlers(this.#parts, backend, name, answer)
  }

  async #fromAll(name: CallName, request: Buffer, context: CallContext): Promise<Buffer> {
    const answers = await Promise.all(
      this.#parts.backends.map(async (backend) =>
        renameHandlers(this.#parts, backend, name, await backend.call(name, request, context)),
      ),
    )
    return Buffer.concat(answers)
  }

  async #toAll(name: CallName, request: Buffer, context: CallContext): Promise<Buffer> {
    const answers = await Promise.all(
      this.#parts.backends.map((backend) => backend.call(name, request, context)),
    )
    return answers[0] as Buffer
  }

  /** To where the pod is for which it is pulled, or to where its handler is; to the first otherwise. */
  async #pullImage(request: Buffer, context: CallContext): Promise<Buffer> {
    const { image, sandboxConfig } = decode('PullImageRequest', request)
    const handler = image?.runtimeHandler ?? ''
    if (handler !== '') {
      const { backend, backendHandler } = this.#parts.choose(handler, sandboxConfig)
      const changed = amend('PullImageRequest', request, ['image'], { runtimeHandler: backendHandler })
      return backend.call('PullImage', changed, context)
    }
    const uid = sandboxConfig?.metadata?.uid ?? ''
    const holder = uid === '' ? undefined : await this.#findPodOf(uid, context)
    // A pod that is not there yet will go where what it needs is to be had.
    const meant = holder ?? (sandboxConfig ? this.#parts.choose('', sandboxConfig).backend : this.#first)
    return meant.call('PullImage', request, context)
  }

  async #findPodOf(uid: string, context: CallContext): Promise<Backend | undefined> {
    if (this.#parts.backends.length === 1) return this.#first
    const request = encode('ListPodSandboxRequest', {})
    for (const backend of this.#parts.backends) {
      const { items } = decode(
        'ListPodSandboxResponse',
        await backend.call('ListPodSandbox', request, context),
      )
      if (items.some(({ metadata }) => metadata?.uid === uid)) return backend
    }
    return undefined
  }

  /** Of the first backend that has the image. */
  async #imageStatus(request: Buffer, context: CallContext): Promise<Buffer> {
    let answer: Buffer | undefined
    for (const backend of this.#parts.backends) {
      answer = await backend.call('ImageStatus', request, context)
      if (decode('ImageStatusResponse', answer).image) return answer
    }
    return answer as Buffer
  }

  #version(): Buffer {
    return encode('VersionResponse', {
      version: '0.1.0',
      runtimeName: 'pratique',
      runtimeVersion: this.#parts.version,
      runtimeApiVersion: 'v1',
    })
  }
}

/** An image that several backends have is one image. */
function eachOnce(images: Buffer, seen = new Set<string>()): Buffer {
  return mapItems(images, 1, (item) => {
    const { id } = decode('Image', item)
    if (seen.has(id)) return undefined
    seen.add(id)
    return item
  })
}

interface Id {
  readonly kind: Kind
  readonly id: string
}

/** Whom a call is about: every call of the CRI that is about one pod or container names it in a field of its own. */
function idOf(name: CallName, request: Buffer): Id | undefined {
  const message = decode(getCall(name).requestType, request) as unknown as Readonly<Record<string, unknown>>
  const { podSandboxId, containerId } = message
  if (typeof containerId === 'string') return { kind: 'container', id: containerId }
  return typeof podSandboxId === 'string' ? { kind: 'pod', id: podSandboxId } : undefined
}
