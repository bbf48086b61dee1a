import { chmodSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import grpc from '@grpc/grpc-js'
import type { Log } from '../../kernel/log.ts'
import type { Backend } from './backend.ts'
import { CriFailure, statusNumbers } from './failures.ts'
import { calls, type CallDescription } from './protocol.ts'
import { requireOneReading } from './require-one-reading.ts'

/** What the kubelet's own client takes at most, four times over. */
const maximumMessageBytes = 64 * 1024 * 1024

export interface Door {
  readonly close: () => Promise<void>
}

export interface DoorParts {
  /** Path of the unix socket; its folder is made, and what a dead agent left there is taken away. */
  readonly socket: string
  readonly backend: Backend
  readonly log: Log
  /** Other services on the same socket. */
  readonly services?: readonly {
    readonly definition: grpc.ServiceDefinition
    readonly handlers: grpc.UntypedServiceImplementation
  }[]
}

/** Serves the CRI on a unix socket that only its owner reaches. Throws when another agent serves there. */
export async function serveCri({ socket, backend, log, services = [] }: DoorParts): Promise<Door> {
  await takeSocket(socket)
  const server = new grpc.Server({
    'grpc.max_receive_message_length': maximumMessageBytes,
    'grpc.max_send_message_length': maximumMessageBytes,
  })
  for (const name of ['RuntimeService', 'ImageService'] as const) {
    const own = calls.filter(({ service }) => service === name)
    server.addService(
      Object.fromEntries(own.map((call) => [call.name, definitionOf(call)])),
      Object.fromEntries(own.map((call) => [call.name, handlerOf(call, backend, log)])),
    )
  }
  for (const { definition, handlers } of services) server.addService(definition, handlers)
  const mask = process.umask(0o077)
  try {
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (error) =>
        error ? reject(unbound(socket, error)) : resolve(),
      )
    })
  } finally {
    process.umask(mask)
  }
  chmodSync(socket, 0o600)
  return {
    close: () =>
      new Promise((resolve) => {
        // Streams of events never end by themselves.
        const timer = setTimeout(() => server.forceShutdown(), 1_000)
        server.tryShutdown(() => {
          clearTimeout(timer)
          resolve()
        })
      }),
  }
}

async function takeSocket(socket: string): Promise<void> {
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 })
  await requireUnserved(socket)
  rmSync(socket, { force: true })
}

/** Two agents would work on the same folders. Throws ALREADY_EXISTS when one serves there. */
export async function requireUnserved(socket: string): Promise<void> {
  if (!statSync(socket, { throwIfNoEntry: false })) return
  const isServed = await new Promise<boolean>((resolve) => {
    const connection = connect(socket, () => {
      connection.destroy()
      resolve(true)
    }).once('error', () => resolve(false))
  })
  if (!isServed) return
  throw new CriFailure(
    'ALREADY_EXISTS',
    `something serves ${socket} already; stop it, or choose another socket`,
  )
}

function unbound(socket: string, error: Error): CriFailure {
  return new CriFailure('UNAVAILABLE', `${socket} cannot be served: ${error.message}`)
}

const asIs = (bytes: Buffer): Buffer => bytes

function definitionOf({ path, isStream }: CallDescription): grpc.MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream: false,
    responseStream: isStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
}

type Unary = grpc.handleUnaryCall<Buffer, Buffer>
type Streaming = grpc.handleServerStreamingCall<Buffer, Buffer>

function handlerOf(
  { name, requestType, isStream }: CallDescription,
  backend: Backend,
  log: Log,
): Unary | Streaming {
  if (isStream) {
    const stream: Streaming = (call) => {
      const { signal } = abortWith(call)
      const answer = (): AsyncIterable<Buffer> => {
        requireOneReading(requestType, call.request)
        return backend.stream(name, call.request, { signal })
      }
      void sendAll(call, answer).catch((error: unknown) => {
        call.emit('error', statusOf(error, name, log))
      })
    }
    return stream
  }
  const unary: Unary = (call, answer) => {
    const { signal } = abortWith(call)
    Promise.try(() => {
      requireOneReading(requestType, call.request)
      return backend.call(name, call.request, { signal })
    })
      .then((response) => answer(null, response))
      .catch((error: unknown) => answer(statusOf(error, name, log)))
  }
  return unary
}

function abortWith(call: { on(event: 'cancelled', listener: () => void): unknown }): AbortController {
  const controller = new AbortController()
  call.on('cancelled', () => controller.abort())
  return controller
}

/** Writes message after message, as fast as the client takes them. */
export async function sendAll<Message>(
  call: grpc.ServerWritableStream<Buffer, Message>,
  messages: () => AsyncIterable<Message>,
): Promise<void> {
  for await (const message of messages()) {
    if (call.cancelled) return
    if (!call.write(message)) {
      await new Promise((resolve) => {
        call.once('drain', resolve)
        call.once('cancelled', resolve)
      })
    }
  }
  call.end()
}

/** What the client is told. Anything but a refusal is our bug: it is logged, and the client learns no more. */
export function statusOf(error: unknown, name: string, log: Log): Partial<grpc.StatusObject> {
  if (error instanceof CriFailure) return { code: statusNumbers[error.code], details: error.message }
  log.error({ err: error, call: name }, 'a call failed in a way that was not foreseen')
  const details = `${name} failed in the agent; its log says more`
  return { code: statusNumbers.INTERNAL, details }
}
