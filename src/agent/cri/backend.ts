import type { PullProgress } from '../content/types.ts'
import type { CriCalls } from './cri-types.ts'
import { CriFailure } from './failures.ts'
import { decode, encode, getCall, type CallName, type Loose } from './protocol.ts'

/** What comes with a call. */
export interface CallContext {
  /** Aborted when the caller has gone or its time is up. */
  readonly signal: AbortSignal
  /** Told how far a pull is, by runtimes of our own. */
  readonly progress?: (progress: PullProgress) => void
}

/**
 * A runtime behind the agent. Requests and answers are the bytes of CRI messages, so that what the agent does not
 * know passes through untouched. Failures are `CriFailure`.
 */
export interface Backend {
  readonly name: string
  /** A call that is answered once. */
  readonly call: (name: CallName, request: Buffer, context: CallContext) => Promise<Buffer>
  /** A call that is answered by many messages, until it ends or the signal is aborted. */
  readonly stream: (name: CallName, request: Buffer, context: CallContext) => AsyncIterable<Buffer>
  readonly close: () => Promise<void>
}

type Unary<Name extends CallName> = (
  request: CriCalls[Name]['request'],
  context: CallContext,
) => Promise<Loose<CriCalls[Name]['response']>>

type Streaming<Name extends CallName> = (
  request: CriCalls[Name]['request'],
  context: CallContext,
) => AsyncIterable<Loose<CriCalls[Name]['response']>>

type StreamName = Extract<CallName, `Stream${string}` | 'GetContainerEvents'>

/** The calls that a runtime of our own answers, by name, with decoded messages. */
export type CriHandlers = {
  readonly [Name in Exclude<CallName, StreamName>]?: Unary<Name>
} & { readonly [Name in StreamName]?: Streaming<Name> }

/** A runtime of our own as a backend. A call that it does not know is UNIMPLEMENTED, as gRPC has it. */
export function backendOf(name: string, handlers: CriHandlers, close: () => Promise<void>): Backend {
  const table = handlers as Readonly<Record<string, Unary<CallName> | undefined>>
  return {
    name,
    async call(call, request, context) {
      const handle = table[call]
      if (!handle) throw unimplemented(name, call)
      const { requestType, responseType } = getCall(call)
      const answer = await handle(decode(requestType, request), context)
      return encode(responseType, answer as never)
    },
    async *stream(call, request, context) {
      const handle = table[call] as Streaming<StreamName> | undefined
      if (!handle) throw unimplemented(name, call)
      const { requestType, responseType } = getCall(call)
      for await (const message of handle(decode(requestType, request), context)) {
        yield encode(responseType, message as never)
      }
    },
    close,
  }
}

function unimplemented(backend: string, call: CallName): CriFailure {
  return new CriFailure('UNIMPLEMENTED', `${backend} does not answer ${call}`)
}
