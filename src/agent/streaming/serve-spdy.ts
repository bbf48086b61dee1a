import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { StreamingRequest } from './one-time-requests.ts'
import { serveCommand } from './serve-command.ts'
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts'
import type { StreamingTarget } from './types.ts'

/** remotecommand of Kubernetes; the newest that a client names is spoken. The fifth is of WebSockets only. */
const commandProtocols = ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io', 'channel.k8s.io']
const portProtocol = 'portforward.k8s.io'
const openMs = 30_000

/** Answers the upgrade to SPDY/3.1 and serves the request over it. */
export async function serveSpdy(
  target: StreamingTarget,
  asked: StreamingRequest,
  upgrade: { readonly request: IncomingMessage; readonly socket: Duplex; readonly head: Buffer },
): Promise<void> {
  const { request, socket, head } = upgrade
  const offered = [request.headers['x-stream-protocol-version'] ?? []]
    .flat()
    .flatMap((one) => one.split(',').map((part) => part.trim()))
  const known = asked.kind === 'portforward' ? [portProtocol] : commandProtocols
  // The first protocol of all had no name.
  const protocol =
    known.find((one) => offered.includes(one)) ?? (offered.length === 0 ? known.at(-1) : undefined)
  if (protocol === undefined) {
    socket.end(
      `HTTP/1.1 403 Forbidden\r\nX-Accepted-Stream-Protocol-Versions: ${known.join(', ')}\r\nContent-Length: 0\r\n\r\n`,
    )
    return
  }
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  )
  if (head.length > 0) socket.unshift(head)
  if (asked.kind === 'portforward') servePorts(target, asked.request, socket)
  else await serveCommandStreams(target, asked, socket, protocol)
}

async function serveCommandStreams(
  target: StreamingTarget,
  asked: Exclude<StreamingRequest, { kind: 'portforward' }>,
  socket: Duplex,
  protocol: string,
): Promise<void> {
  const { stdin, stdout, stderr, tty } = asked.request
  const wanted = [
    'error',
    ...(stdin ? ['stdin'] : []),
    ...(stdout ? ['stdout'] : []),
    ...(stderr && !tty ? ['stderr'] : []),
    ...(tty && ['v3.channel.k8s.io', 'v4.channel.k8s.io'].includes(protocol) ? ['resize'] : []),
  ]
  const streams = new Map<string, SpdyStream>()
  const all = Promise.withResolvers<void>()
  const connection = new SpdyConnection(socket, (stream) => {
    stream.on('error', () => {})
    streams.set(stream.headers['streamtype'] ?? '', stream)
    if (wanted.every((name) => streams.has(name))) all.resolve()
  })
  const controller = new AbortController()
  socket.once('close', () => {
    controller.abort()
    all.reject(new Error('the client has gone'))
  })
  const timer = setTimeout(() => connection.destroy(), openMs)
  try {
    await all.promise
  } catch {
    return
  } finally {
    clearTimeout(timer)
  }
  await serveCommand(target, asked, {
    stdin: streams.get('stdin'),
    stdout: streams.get('stdout'),
    stderr: streams.get('stderr'),
    resize: streams.get('resize'),
    error: streams.get('error') as SpdyStream,
    signal: controller.signal,
  })
  connection.close()
}

/** A pair of streams for each connection: one for what goes wrong, one for the bytes. */
function servePorts(
  target: StreamingTarget,
  request: Extract<StreamingRequest, { kind: 'portforward' }>['request'],
  socket: Duplex,
): void {
  const pairs = new Map<string, { error?: SpdyStream; data?: SpdyStream }>()
  const connection = new SpdyConnection(socket, (stream) => {
    stream.on('error', () => {})
    const { streamtype = '', port = '', requestid = port } = stream.headers
    const pair = pairs.get(requestid) ?? {}
    pairs.set(requestid, pair)
    if (streamtype === 'error') pair.error = stream
    if (streamtype === 'data') pair.data = stream
    if (!pair.error || !pair.data) return
    pairs.delete(requestid)
    void forward(target, request, Number(port), pair as Required<typeof pair>)
  })
  socket.once('close', () => connection.destroy())
}

async function forward(
  target: StreamingTarget,
  request: Extract<StreamingRequest, { kind: 'portforward' }>['request'],
  port: number,
  { error, data }: { readonly error: SpdyStream; readonly data: SpdyStream },
): Promise<void> {
  try {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`${port} is no port`)
    if (request.port.length > 0 && !request.port.includes(port))
      throw new Error(`port ${port} was not asked for`)
    await target.portForward(request, port, data)
    error.end()
  } catch (failure) {
    error.end((failure as Error).message)
    data.destroy()
  }
  data.end()
}
