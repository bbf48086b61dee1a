import { connectBackend } from './connect-backend.ts'
import type { CriCalls } from './cri-types.ts'
import { decode, encode, getCall, type CallName, type Loose } from './protocol.ts'

/** A client of the CRI with decoded messages. Calls throw `CriFailure`. */
export interface CriClient {
  call<Name extends CallName>(
    name: Name,
    request?: Loose<CriCalls[Name]['request']>,
  ): Promise<CriCalls[Name]['response']>
  close(): Promise<void>
}

/** A client of whatever serves the CRI at a socket. Nothing is opened before the first call. */
export function connectCri(socket: string, signal: AbortSignal = new AbortController().signal): CriClient {
  const backend = connectBackend('the agent', socket)
  return {
    async call(name, request) {
      const { requestType, responseType } = getCall(name)
      const bytes = encode(requestType, (request ?? {}) as never)
      return decode(responseType, await backend.call(name, bytes, { signal }))
    },
    close: () => backend.close(),
  }
}
