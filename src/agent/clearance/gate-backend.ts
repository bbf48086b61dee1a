import type { Backend, CallContext } from '../cri/backend.ts'
import type { Image } from '../cri/cri-types.ts'
import { CriFailure } from '../cri/failures.ts'
import { amend, decode, encode, fieldNumber, type CallName } from '../cri/protocol.ts'
import { signInOf, type SignIn } from '../cri/sign-in-of.ts'
import { mapItems } from '../cri/splice.ts'
import { isolationLevels, type IsolationLevel } from '../runtimes/types.ts'
import type { Clearance } from './open-clearance.ts'
import { parseImageName } from './parse-image-name.ts'
import type { Cleared } from './types.ts'

export interface GateParts {
  readonly clearance: Clearance
  /** How well a handler of this backend isolates; undefined when it is not known. */
  readonly isolationOf: (backendHandler: string) => IsolationLevel | undefined
  /** Handlers that pods may name to be isolated at least so well, for the remedy. */
  readonly handlersWith: (level: IsolationLevel) => readonly string[]
  /** The node's own account at its registry, for pulls that bring none. */
  readonly findSignIn: (host: string) => SignIn | undefined
}

/** Of ListImagesResponse and of StreamImagesResponse. */
const imagesField = fieldNumber('ListImagesResponse', 'images')

type Answer = (request: Buffer, context: CallContext) => Promise<Buffer>

/**
 * A backend behind the gate: it pulls only what is cleared, and only by digest, and makes containers only of images
 * that were cleared. The tags under which images were cleared are known here; the backend knows digests.
 */
export function gateBackend(backend: Backend, parts: GateParts): Backend {
  const gate = new Gate(backend, parts)
  const gated: Readonly<Partial<Record<CallName, Answer>>> = {
    PullImage: (...call) => gate.pullImage(...call),
    ImageStatus: (...call) => gate.imageStatus(...call),
    ListImages: (...call) => gate.listImages(...call),
    RemoveImage: (...call) => gate.removeImage(...call),
    RunPodSandbox: (...call) => gate.runPod(...call),
    CreateContainer: (...call) => gate.createContainer(...call),
  }
  return {
    ...backend,
    call: (name, request, context) =>
      (gated[name] ?? ((...call: Parameters<Answer>) => backend.call(name, ...call)))(request, context),
    stream: (name, request, context) =>
      name === 'StreamImages' ? gate.streamImages(request, context) : backend.stream(name, request, context),
  }
}

class Gate {
  readonly #backend: Backend
  readonly #parts: GateParts
  readonly #clearance: Clearance

  constructor(backend: Backend, parts: GateParts) {
    this.#backend = backend
    this.#parts = parts
    this.#clearance = parts.clearance
  }

  runPod(request: Buffer, context: CallContext): Promise<Buffer> {
    this.#clearance.warm()
    return this.#backend.call('RunPodSandbox', request, context)
  }

  async pullImage(request: Buffer, context: CallContext): Promise<Buffer> {
    const { image, auth } = decode('PullImageRequest', request)
    const cleared = await this.#clearance.clear(image?.image ?? '', signInOf(auth))
    const imageId = await this.#pull(cleared, request, context)
    this.#clearance.recordImage(cleared, imageId)
    return encode('PullImageResponse', { imageRef: imageId })
  }

  /** With its tags, and for whoever asks for more: how well the policy wants it isolated. */
  async imageStatus(request: Buffer, context: CallContext): Promise<Buffer> {
    const { image, verbose } = decode('ImageStatusRequest', request)
    const known = this.#findNamed(image?.image ?? '')
    const pinned = known ? pinnedTo(known) : undefined
    const asked = pinned ? amend('ImageStatusRequest', request, ['image'], { image: pinned }) : request
    const answer = await this.#backend.call('ImageStatus', asked, context)
    const found = decode('ImageStatusResponse', answer).image
    if (!found) return answer
    const tags = this.#tagsMissingFrom(found)
    const isolation = verbose ? known?.running?.isolation : undefined
    const told = isolation ? amend('ImageStatusResponse', answer, [], { info: { isolation } }) : answer
    return tags.length === 0 ? told : amend('ImageStatusResponse', told, ['image'], { repoTags: tags })
  }

  async listImages(request: Buffer, context: CallContext): Promise<Buffer> {
    const asked = this.#pinFilter('ListImagesRequest', request)
    return this.#withTags(await this.#backend.call('ListImages', asked, context))
  }

  async *streamImages(request: Buffer, context: CallContext): AsyncIterable<Buffer> {
    const asked = this.#pinFilter('StreamImagesRequest', request)
    for await (const answer of this.#backend.stream('StreamImages', asked, context)) {
      yield this.#withTags(answer)
    }
  }

  /** A tag is taken from the image; with its last one, or by its id or digest, the image goes. */
  async removeImage(request: Buffer, context: CallContext): Promise<Buffer> {
    const { image } = decode('RemoveImageRequest', request)
    const named = image?.image ?? ''
    const known = this.#findNamed(named)
    const left = known?.tags.filter((tag) => tag !== referenceOf(named)) ?? []
    if (known && left.length > 0 && left.length < known.tags.length) {
      this.#clearance.store.save({ ...known, tags: left })
      return encode('RemoveImageResponse', {})
    }
    const target = known ? pinnedTo(known) : named
    const asked = amend('RemoveImageRequest', request, ['image'], { image: target })
    const answer = await this.#backend.call('RemoveImage', asked, context)
    const { store } = this.#clearance
    for (const one of known ? [known] : store.listImage(named)) store.remove(one)
    return answer
  }

  async createContainer(request: Buffer, context: CallContext): Promise<Buffer> {
    const { config, podSandboxId } = decode('CreateContainerRequest', request)
    const named = config?.image?.image ?? ''
    const specified = config?.image?.userSpecifiedImage ?? ''
    const { cleared, imageId } = await this.#bring(named, context, specified)
    // Of one that several repositories have, and that nobody named, the strictest counts.
    const others = specified === '' ? this.#clearance.store.listImage(imageId) : []
    for (const one of [cleared, ...others]) await this.#requireIsolation(one, podSandboxId, context)
    // The id and nothing else: a tag that has moved in between changes nothing.
    const brought = await this.#bringVolumes(request, context)
    const asked = amend('CreateContainerRequest', brought, ['config', 'image'], { image: imageId })
    const answer = await this.#backend.call('CreateContainer', asked, context)
    this.#clearance.recordRun(cleared, {
      container: decode('CreateContainerResponse', answer).containerId,
      pod: podSandboxId,
      name: config?.metadata?.name ?? '',
    })
    return answer
  }

  /** Images that are mounted are content of others as well, and are cleared like the one that is run. */
  async #bringVolumes(request: Buffer, context: CallContext): Promise<Buffer> {
    const { config } = decode('CreateContainerRequest', request)
    const names = new Set(config?.mounts.flatMap(({ image }) => (image ? [image.image] : [])))
    if (names.size === 0) return request
    const ids = new Map<string, string>()
    for (const name of names) ids.set(name, (await this.#bring(name, context)).imageId)
    return mapItems(request, fieldNumber('CreateContainerRequest', 'config'), (bytes) =>
      mapItems(bytes, fieldNumber('ContainerConfig', 'mounts'), (mount) => {
        const id = ids.get(decode('Mount', mount).image?.image ?? '')
        return id === undefined ? mount : amend('Mount', mount, ['image'], { image: id })
      }),
    )
  }

  /** The image as it is in this backend, cleared; pulled when another backend, or nobody, has it. */
  async #bring(
    named: string,
    context: CallContext,
    specified = '',
  ): Promise<{ cleared: Cleared; imageId: string }> {
    const found = await this.#findHere(named, context)
    const { store } = this.#clearance
    const known = store.findImage(found?.id ?? named, specified || named) ?? this.#findNamed(named)
    if (known) {
      const cleared = await this.#clearance.recheck(known)
      if (found && cleared.imageIds.includes(found.id)) return { cleared, imageId: found.id }
      const request = encode('PullImageRequest', { image: { image: pinnedTo(cleared) } })
      const imageId = await this.#pull(cleared, request, context)
      return { cleared: this.#clearance.recordImage(cleared, imageId), imageId }
    }
    if (!found) {
      throw new CriFailure('NOT_FOUND', `there is no image ${named} on this node; pull it first`)
    }
    return { cleared: await this.#clearFound(found), imageId: found.id }
  }

  /** An image that came here by another way is judged by what it is called in its registry. */
  async #clearFound(image: Image): Promise<Cleared> {
    const [digest] = image.repoDigests
    if (digest === undefined) {
      throw new CriFailure(
        'PERMISSION_DENIED',
        `the image ${image.id} was not pulled through the agent and says of no registry where it is from; pull it by name`,
      )
    }
    return this.#clearance.recordImage(await this.#clearance.clear(digest), image.id)
  }

  async #pull(cleared: Cleared, request: Buffer, context: CallContext): Promise<string> {
    const pinned = pinnedTo(cleared)
    const { auth } = decode('PullImageRequest', request)
    const [host = ''] = cleared.name.split('/', 1)
    const signIn = auth ? undefined : this.#parts.findSignIn(host)
    const named = amend('PullImageRequest', request, ['image'], { image: pinned })
    const asked = signIn ? amend('PullImageRequest', named, ['auth'], { ...signIn }) : named
    const answer = await this.#backend.call('PullImage', asked, context)
    const { imageRef } = decode('PullImageResponse', answer)
    const image = await this.#findHere(imageRef.startsWith('sha256:') ? imageRef : pinned, context)
    if (image) return image.id
    throw new CriFailure('NOT_FOUND', `${this.#backend.name} pulled ${pinned} and does not have it`)
  }

  async #findHere(named: string, context: CallContext): Promise<Image | null> {
    const known = this.#findNamed(named)
    const request = encode('ImageStatusRequest', { image: { image: known ? pinnedTo(known) : named } })
    return decode('ImageStatusResponse', await this.#backend.call('ImageStatus', request, context)).image
  }

  #findNamed(named: string): Cleared | undefined {
    const { store } = this.#clearance
    const isId = /^(sha256:)?[0-9a-f]{64}$/.test(named)
    if (isId) return undefined
    try {
      const { name, digest, reference } = parseImageName(named)
      return digest === undefined ? store.findTag(reference) : store.find(name, digest)
    } catch {
      return undefined
    }
  }

  /** Of a list of images, what is asked for by a tag is asked for by its digest. */
  #pinFilter(name: 'ListImagesRequest' | 'StreamImagesRequest', request: Buffer): Buffer {
    const known = this.#findNamed(decode(name, request).filter?.image?.image ?? '')
    return known ? amend(name, request, ['filter', 'image'], { image: pinnedTo(known) }) : request
  }

  #withTags(images: Buffer): Buffer {
    return mapItems(images, imagesField, (item) => {
      const tags = this.#tagsMissingFrom(decode('Image', item))
      return tags.length === 0 ? item : amend('Image', item, [], { repoTags: tags })
    })
  }

  #tagsMissingFrom({ id, repoTags }: Image): string[] {
    const tags = this.#clearance.store.list().flatMap((one) => (one.imageIds.includes(id) ? one.tags : []))
    return tags.filter((tag) => !repoTags.includes(tag))
  }

  async #requireIsolation(
    { running, name }: Cleared,
    podSandboxId: string,
    context: CallContext,
  ): Promise<void> {
    const demanded = running?.isolation
    if (!demanded || demanded === 'process') return
    const request = encode('PodSandboxStatusRequest', { podSandboxId })
    const answer = await this.#backend.call('PodSandboxStatus', request, context)
    const handler = decode('PodSandboxStatusResponse', answer).status?.runtimeHandler ?? ''
    const level = this.#parts.isolationOf(handler)
    if (level && isolationLevels.indexOf(level) >= isolationLevels.indexOf(demanded)) return
    const able = this.#parts.handlersWith(demanded)
    throw new CriFailure(
      'FAILED_PRECONDITION',
      `the policy asks for ${demanded} to run ${name}, and this pod has ${level ?? 'an unknown isolation'}; ` +
        (able.length > 0
          ? `give it the runtimeClassName of the handler ${able.join(' or ')}`
          : 'no runtime of this node isolates so well (see pratique runtimes)'),
    )
  }
}

function pinnedTo({ name, digest }: Cleared): string {
  return `${name}@${digest}`
}

function referenceOf(named: string): string | undefined {
  try {
    return parseImageName(named).reference
  } catch {
    return undefined
  }
}
