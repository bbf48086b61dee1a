import { Duplex, PassThrough, Writable } from 'node:stream'
import type { WebSocket } from 'ws'
import { serveCommand } from './serve-command.ts'
import type { StreamingRequest } from './one-time-requests.ts'
import type { StreamingTarget } from './types.ts'

/** remotecommand over WebSockets: the first byte of a message names the channel. */
export const commandProtocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
]
export const portProtocols = ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io']

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const
/** Of the fifth protocol: the next byte names a channel that is closed. */
const closeSignal = 255
const highWaterBytes = 1 << 20

/** Serves a command over a WebSocket that is open. */
export async function serveCommandSocket(
  target: StreamingTarget,
  asked: Exclude<StreamingRequest, { kind: 'portforward' }>,
  socket: WebSocket,
): Promise<void> {
  const channel = openChannels(socket)
  const controller = new AbortController()
  socket.once('close', () => controller.abort())
  const [stdin, resize] = [new PassThrough(), new PassThrough()]
  for (const one of [stdin, resize]) one.on('error', () => {})
  const readers = new Map([
    [channels.stdin, stdin],
    [channels.resize, resize],
  ] as readonly (readonly [number, PassThrough])[])
  channel.onMessage((number, content) => {
    if (number === closeSignal) readers.get(content[0] ?? -1)?.end()
    else pass(socket, readers.get(number), content)
  })
  // It tells the client that somebody is there.
  channel.send(asked.request.stdout ? channels.stdout : channels.error, Buffer.of())
  await serveCommand(target, asked, {
    stdin,
    stdout: channel.writer(channels.stdout),
    stderr: channel.writer(channels.stderr),
    resize,
    error: channel.writer(channels.error),
    signal: controller.signal,
  })
  socket.close(1000)
}

/** Two channels for each port that was asked for: the bytes, and what goes wrong. */
export async function servePortSocket(
  target: StreamingTarget,
  { request }: Extract<StreamingRequest, { kind: 'portforward' }>,
  socket: WebSocket,
): Promise<void> {
  const channel = openChannels(socket)
  const readers = request.port.map(() => new PassThrough().on('error', () => {}))
  channel.onMessage((number, content) => {
    pass(socket, number % 2 === 0 ? readers[number / 2] : undefined, content)
  })
  socket.once('close', () => readers.forEach((one) => one.destroy()))
  await Promise.all(
    request.port.map(async (port, index) => {
      const number = Buffer.alloc(2)
      number.writeUInt16LE(port)
      for (const one of [index * 2, index * 2 + 1]) channel.send(one, number)
      const connection = Duplex.from({
        readable: readers[index] as PassThrough,
        writable: channel.writer(index * 2),
      })
      connection.on('error', () => {})
      try {
        await target.portForward(request, port, connection)
      } catch (error) {
        channel.send(index * 2 + 1, Buffer.from((error as Error).message))
      }
    }),
  )
  socket.close(1000)
}

/** A reader that is full holds up the socket. */
function pass(socket: WebSocket, reader: PassThrough | undefined, content: Buffer): void {
  // A client that goes on after it has ended is not heard.
  if (!reader || reader.writableEnded || reader.destroyed || reader.write(content)) return
  socket.pause()
  reader.once('drain', () => socket.resume())
}

interface Channels {
  readonly send: (channel: number, content: Buffer, done?: (error?: Error | null) => void) => void
  readonly writer: (channel: number) => Writable
  readonly onMessage: (listener: (channel: number, content: Buffer) => void) => void
}

/** The channels of a socket, in bytes or, as its protocol says, in base64 behind a digit. */
function openChannels(socket: WebSocket): Channels {
  const isText = socket.protocol.includes('base64')
  socket.on('error', () => socket.terminate())
  const send: Channels['send'] = (channel, content, done) => {
    if (socket.readyState !== socket.OPEN) return done?.(new Error('the client has gone'))
    const message = isText
      ? `${channel}${content.toString('base64')}`
      : Buffer.concat([Buffer.of(channel), content])
    socket.send(message, (error) => done?.(error ?? null))
  }
  return {
    send,
    writer: (channel) =>
      new Writable({
        highWaterMark: highWaterBytes,
        write: (chunk: Buffer, _, done) => send(channel, chunk, done),
      }).on('error', () => {}),
    onMessage(listener) {
      socket.on('message', (data: Buffer) => {
        if (data.length === 0) return
        if (isText)
          listener(Number(data.toString('latin1', 0, 1)), Buffer.from(data.toString('latin1', 1), 'base64'))
        else listener(data[0] as number, data.subarray(1))
      })
    },
  }
}
