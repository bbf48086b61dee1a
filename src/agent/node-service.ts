import grpc from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import type { Log } from '../kernel/log.ts'
import type { Clearance } from './clearance/open-clearance.ts'
import { parseImageName } from './clearance/parse-image-name.ts'
import type { PullProgress } from './content/types.ts'
import type { Backend } from './cri/backend.ts'
import type { PodSandboxConfig } from './cri/cri-types.ts'
import { CriFailure } from './cri/failures.ts'
import { decode, encode } from './cri/protocol.ts'
import { sendAll, statusOf, type DoorParts } from './cri/serve-cri.ts'
import type { RouterParts } from './router/types.ts'
import { needAnnotations } from './runtimes/read-need.ts'

/**
 * What the agent offers beside the CRI: pulls that say how far they are, what a policy asks of the runtime, and whether
 * what is here may still be run.
 */
const source = `syntax = "proto3";
package pratique.node.v1;
message PullRequest {
  string image = 1;
  string username = 2;
  string password = 3;
  string runtime_handler = 4;
  map<string, string> annotations = 5;
}
message PullEvent {
  string digest = 1;
  uint64 done_bytes = 2;
  uint64 total_bytes = 3;
  string state = 4;
  string image_ref = 5;
  string isolation = 6;
}
message ClearRequest {
  string image = 1;
  string runtime_handler = 2;
  map<string, string> annotations = 3;
}
message ClearResponse {
  string image_ref = 1;
  string isolation = 2;
}
`
const namespace = protobuf.parse(source).root.lookup('pratique.node.v1') as protobuf.Namespace
const paths = { pull: '/pratique.node.v1.Node/Pull', clear: '/pratique.node.v1.Node/Clear' } as const

export interface NodePullRequest {
  readonly image: string
  readonly username?: string
  readonly password?: string
  readonly runtimeHandler?: string
  /** Of the pod that it is for: what that needs decides which runtime pulls. */
  readonly annotations?: Readonly<Record<string, string>>
}

/** How far a blob is; or, with an image reference, that all is done, and how well it has to be isolated. */
export interface NodePullEvent {
  readonly digest: string
  readonly doneBytes: number
  readonly totalBytes: number
  readonly state: PullProgress['state'] | ''
  readonly imageRef: string
  readonly isolation: string
}

export type NodeClearRequest = Pick<NodePullRequest, 'image' | 'runtimeHandler' | 'annotations'>

/** Of what is here and cleared; no reference says that it is not here. */
export interface NodeClearResponse {
  readonly imageRef: string
  readonly isolation: string
}

const write = (name: string) => (message: object) => {
  const type = namespace.lookupType(name)
  return Buffer.from(type.encode(type.fromObject(message)).finish())
}
const read =
  (name: string) =>
  (bytes: Buffer): never => {
    const type = namespace.lookupType(name)
    return type.toObject(type.decode(bytes), { defaults: true, longs: Number }) as never
  }

const definition: grpc.MethodDefinition<NodePullRequest, Partial<NodePullEvent>> = {
  path: paths.pull,
  requestStream: false,
  responseStream: true,
  requestSerialize: write('PullRequest'),
  requestDeserialize: read('PullRequest'),
  responseSerialize: write('PullEvent'),
  responseDeserialize: read('PullEvent'),
}

const clearDefinition: grpc.MethodDefinition<NodeClearRequest, NodeClearResponse> = {
  path: paths.clear,
  requestStream: false,
  responseStream: false,
  requestSerialize: write('ClearRequest'),
  requestDeserialize: read('ClearRequest'),
  responseSerialize: write('ClearResponse'),
  responseDeserialize: read('ClearResponse'),
}

export interface NodeServiceParts {
  /** All runtimes as one. */
  readonly backend: Backend
  readonly clearance: Clearance
  readonly choose: RouterParts['choose']
  readonly log: Log
}

/** The service, over the router and what has been cleared. */
export function nodeService(parts: NodeServiceParts): NonNullable<DoorParts['services']>[number] {
  const { backend, clearance, log } = parts
  const pull: grpc.handleServerStreamingCall<NodePullRequest, Partial<NodePullEvent>> = (call) => {
    const controller = new AbortController()
    call.on('cancelled', () => controller.abort())
    sendAll(call as never, () => pullWithEvents(backend, clearance, call.request, controller.signal)).catch(
      (error: unknown) => call.emit('error', statusOf(error, 'Pull', log)),
    )
  }
  const clear: grpc.handleUnaryCall<NodeClearRequest, NodeClearResponse> = (call, answer) => {
    const controller = new AbortController()
    call.on('cancelled', () => controller.abort())
    clearHere(parts, call.request, controller.signal).then(
      (response) => answer(null, response),
      (error: unknown) => answer(statusOf(error, 'Clear', log)),
    )
  }
  return { definition: { Pull: definition, Clear: clearDefinition }, handlers: { Pull: pull, Clear: clear } }
}

async function* pullWithEvents(
  backend: Backend,
  clearance: Clearance,
  { image, username, password, runtimeHandler, annotations }: NodePullRequest,
  signal: AbortSignal,
): AsyncIterable<Partial<NodePullEvent>> {
  const waiting: Partial<NodePullEvent>[] = []
  let wake = (): void => {}
  const request = encode('PullImageRequest', {
    image: { image, runtimeHandler: runtimeHandler ?? '' },
    ...(Object.keys(annotations ?? {}).length > 0 ? { sandboxConfig: { annotations } } : {}),
    ...(username ? { auth: { username, password: password ?? '' } } : {}),
  })
  let outcome: { readonly imageRef: string } | { readonly error: unknown } | undefined
  const progress = (event: PullProgress): void => {
    waiting.push(event)
    wake()
  }
  backend
    .call('PullImage', request, { signal, progress })
    .then(
      (answer) => (outcome = decode('PullImageResponse', answer)),
      (error: unknown) => (outcome = { error }),
    )
    .finally(() => wake())
  for (;;) {
    for (let event = waiting.shift(); event; event = waiting.shift()) yield event
    if (outcome) break
    await new Promise<void>((resolve) => {
      wake = resolve
    })
  }
  if ('error' in outcome) throw outcome.error
  const cleared =
    clearance.store.findTag(parseImageName(image).reference) ?? clearance.store.findImage(outcome.imageRef)
  yield { imageRef: outcome.imageRef, isolation: cleared?.running?.isolation ?? '' }
}

/**
 * Asks of an image that is where its pod would go what is asked when a container is made of it, so that whoever has
 * something to take down first knows it before. Its tag is not looked up again: what is here is what would be run.
 */
async function clearHere(
  { backend, clearance, choose }: NodeServiceParts,
  { image, runtimeHandler = '', annotations = {} }: NodeClearRequest,
  signal: AbortSignal,
): Promise<NodeClearResponse> {
  const { config } = decode(
    'RunPodSandboxRequest',
    encode('RunPodSandboxRequest', { config: { annotations } }),
  )
  const needsNothing = runtimeHandler === '' && Object.keys(annotations).length === 0
  const meant = needsNothing ? backend : choose(runtimeHandler, config).backend
  const request = encode('ImageStatusRequest', { image: { image } })
  const { image: here } = decode('ImageStatusResponse', await meant.call('ImageStatus', request, { signal }))
  const known = here && clearance.store.findImage(here.id, image)
  // What came here by another way is cleared by what it is called in its registry; without that it has to be pulled.
  const [digest] = here?.repoDigests ?? []
  if (!here || (!known && digest === undefined)) return { imageRef: '', isolation: '' }
  const cleared = known
    ? await clearance.recheck(known)
    : clearance.recordImage(await clearance.clear(digest ?? image), here.id)
  const isolation = cleared.running?.isolation
  if (isolation === undefined) return { imageRef: here.id, isolation: '' }
  // The runtime that the pod will get has to be one that the policy lets it have.
  const needing = (level: string) => ({
    ...(config as PodSandboxConfig),
    annotations: { ...annotations, [needAnnotations.isolation]: level },
  })
  const { handler } = choose(runtimeHandler, needing(annotations[needAnnotations.isolation] ?? isolation))
  choose(handler, needing(isolation))
  return { imageRef: here.id, isolation }
}

/** Has an image cleared that is on the node. Throws `CriFailure`. */
export async function clearThroughAgent(
  socket: string,
  request: NodeClearRequest,
): Promise<NodeClearResponse> {
  const client = new grpc.Client(`unix:${socket}`, grpc.credentials.createInsecure())
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        paths.clear,
        clearDefinition.requestSerialize,
        clearDefinition.responseDeserialize,
        request,
        (error, response) => (response ? resolve(response) : reject(error ?? new Error('no answer'))),
      )
    })
  } catch (error) {
    throw failureOf(error as grpc.ServiceError, socket)
  } finally {
    client.close()
  }
}

/** Pulls through an agent, telling how far it is. Throws `CriFailure`. */
export async function* pullThroughAgent(
  socket: string,
  request: NodePullRequest,
): AsyncIterable<NodePullEvent> {
  const client = new grpc.Client(`unix:${socket}`, grpc.credentials.createInsecure())
  try {
    const stream = client.makeServerStreamRequest(
      paths.pull,
      definition.requestSerialize,
      read('PullEvent'),
      request,
    )
    for await (const event of stream as AsyncIterable<NodePullEvent>) yield event
  } catch (error) {
    throw failureOf(error as grpc.ServiceError, socket)
  } finally {
    client.close()
  }
}

function failureOf({ code, details, message }: grpc.ServiceError, socket: string): CriFailure {
  if (code === grpc.status.UNAVAILABLE && !details?.includes('cannot be')) {
    return new CriFailure(
      'UNAVAILABLE',
      `no agent answers at ${socket} (${details}); start it with: pratique node serve`,
    )
  }
  const name = grpc.status[code] as CriFailure['code'] | undefined
  return new CriFailure(name ?? 'UNKNOWN', details || message)
}
