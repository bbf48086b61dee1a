import grpc from '@grpc/grpc-js'
import type { Backend, CallContext } from './backend.ts'
import { CriFailure, statusNumbers, type StatusName } from './failures.ts'
import { getCall, type CallName } from './protocol.ts'

const maximumMessageBytes = 64 * 1024 * 1024
/** Longer than anything but pulls, stops with a long grace and streams may take. */
const defaultTimeoutMs = 120_000
const timeouts: Readonly<Partial<Record<CallName, number>>> = {
  PullImage: 3_600_000,
  StopContainer: 86_400_000,
  StopPodSandbox: 3_600_000,
  ExecSync: 86_400_000,
  CheckpointContainer: 3_600_000,
}

const names = new Map<number, StatusName>(
  Object.entries(statusNumbers).map(([name, number]) => [number, name as StatusName]),
)

/**
 * Another CRI runtime behind the agent, over its socket. Nothing is opened before the first call; a runtime that was
 * away is found again by itself. Calls throw `CriFailure` with the status and message of the runtime.
 */
export function connectBackend(name: string, socket: string): Backend {
  const client = new grpc.Client(`unix:${socket}`, grpc.credentials.createInsecure(), {
    'grpc.max_receive_message_length': maximumMessageBytes,
    'grpc.max_send_message_length': maximumMessageBytes,
    // A runtime that restarts is to be found again within seconds.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    // Two backends on one socket, as in tests, are two connections all the same.
    'grpc.use_local_subchannel_pool': 1,
  })
  return {
    name,
    call: (call, request, context) => callOnce(client, { name, socket }, call, request, context),
    stream: (call, request, context) => streamFrom(client, { name, socket }, call, request, context),
    close: async () => client.close(),
  }
}

interface Place {
  readonly name: string
  readonly socket: string
}

const asIs = (bytes: Buffer): Buffer => bytes

function callOnce(
  client: grpc.Client,
  place: Place,
  call: CallName,
  request: Buffer,
  { signal }: CallContext,
): Promise<Buffer> {
  const deadline = Date.now() + (timeouts[call] ?? defaultTimeoutMs)
  return new Promise((resolve, reject) => {
    const sent = client.makeUnaryRequest(
      getCall(call).path,
      asIs,
      asIs,
      request,
      { deadline },
      (error, answer) => {
        signal.removeEventListener('abort', cancel)
        if (error) reject(failureOf(error, place))
        else resolve(answer as Buffer)
      },
    )
    const cancel = (): void => sent.cancel()
    if (signal.aborted) cancel()
    else signal.addEventListener('abort', cancel)
  })
}

async function* streamFrom(
  client: grpc.Client,
  place: Place,
  call: CallName,
  request: Buffer,
  { signal }: CallContext,
): AsyncIterable<Buffer> {
  const stream = client.makeServerStreamRequest(getCall(call).path, asIs, asIs, request)
  const cancel = (): void => stream.cancel()
  if (signal.aborted) cancel()
  else signal.addEventListener('abort', cancel)
  try {
    for await (const message of stream as AsyncIterable<Buffer>) yield message
  } catch (error) {
    throw failureOf(error as grpc.ServiceError, place)
  } finally {
    signal.removeEventListener('abort', cancel)
    stream.cancel()
  }
}

function failureOf(error: grpc.ServiceError, { name, socket }: Place): CriFailure {
  const status = names.get(error.code) ?? 'UNKNOWN'
  if (status !== 'UNAVAILABLE') return new CriFailure(status, error.details, { cause: error })
  const message = `${name} does not answer at ${socket} (${error.details}); see whether it runs`
  return new CriFailure('UNAVAILABLE', message, { cause: error })
}
