import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Log } from '../../kernel/log.ts'
import { OneTimeRequests, type StreamingRequest } from './one-time-requests.ts'
import { serveSpdy } from './serve-spdy.ts'
import type { StreamingServer, StreamingTarget } from './types.ts'

const tokenLifetimeMs = 60_000
const maximumMessageBytes = 1 << 20

export interface StreamingServerOptions {
  readonly target: StreamingTarget
  readonly log: Log
  /** Loopback: the kubelet reaches it from the node itself. */
  readonly host?: string
  readonly tokenLifetimeMs?: number
}

/**
 * Serves the streams of Exec, Attach and PortForward by SPDY/3.1 and by WebSockets, which is what clients of the CRI
 * speak. A URL that was used, or is a minute old, is 404.
 */
export async function startStreamingServer(options: StreamingServerOptions): Promise<StreamingServer> {
  const { target, log, host = '127.0.0.1' } = options
  const requests = new OneTimeRequests(options.tokenLifetimeMs ?? tokenLifetimeMs)
  const sockets = new Set<Duplex>()
  const server = createServer((request, response) => {
    const text = 'streams are reached by an upgrade to SPDY/3.1 or to a WebSocket\n'
    response.writeHead(request.url?.includes('/') ? 400 : 404, { 'content-type': 'text/plain' }).end(text)
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    const asked = requests.take(tokenOf(request.url))
    if (!asked) {
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n')
      return
    }
    serve(target, asked, { request, socket, head }).catch((error: unknown) => {
      log.error({ err: error }, 'a stream failed in a way that was not foreseen')
      socket.destroy()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  server.unref()
  const { port } = server.address() as AddressInfo
  const urlOf = (request: StreamingRequest): string =>
    `http://${host}:${port}/${request.kind}/${requests.add(request)}`
  return {
    execUrl: (request) => urlOf({ kind: 'exec', request }),
    attachUrl: (request) => urlOf({ kind: 'attach', request }),
    portForwardUrl: (request) => urlOf({ kind: 'portforward', request }),
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function tokenOf(url = ''): string {
  return /^\/[a-z]+\/([A-Za-z0-9_-]+)(?:\?|$)/.exec(url)?.[1] ?? ''
}

async function serve(
  target: StreamingTarget,
  asked: StreamingRequest,
  upgrade: { readonly request: IncomingMessage; readonly socket: Duplex; readonly head: Buffer },
): Promise<void> {
  if (upgrade.request.headers.upgrade?.toLowerCase() === 'spdy/3.1') return serveSpdy(target, asked, upgrade)
  const { WebSocketServer } = await import('ws')
  const { commandProtocols, portProtocols, serveCommandSocket, servePortSocket } =
    await import('./serve-websocket.ts')
  const known = asked.kind === 'portforward' ? portProtocols : commandProtocols
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: maximumMessageBytes,
    handleProtocols: (offered) => known.find((one) => offered.has(one)) ?? false,
  })
  const { request, socket, head } = upgrade
  await new Promise<void>((resolve, reject) => {
    server.handleUpgrade(request, socket, head, (client) => {
      const serving =
        asked.kind === 'portforward'
          ? servePortSocket(target, asked, client)
          : serveCommandSocket(target, asked, client)
      serving.then(resolve, reject)
    })
    socket.once('close', () => resolve())
  })
}
