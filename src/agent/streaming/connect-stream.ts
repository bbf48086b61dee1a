import { request as httpRequest } from 'node:http'
import type { Duplex, Readable, Writable } from 'node:stream'
import { CriFailure } from '../cri/failures.ts'
import { readStatus } from './exit-status.ts'
import { SpdyConnection } from './spdy/connection.ts'
import type { TerminalSize } from './types.ts'

/** The ends of a terminal or of pipes; those that are not wanted are undefined. */
export interface LocalStreams {
  readonly stdin?: Readable | undefined
  readonly stdout?: Writable | undefined
  readonly stderr?: Writable | undefined
  readonly tty: boolean
  /** Calls with every size that the terminal has. */
  readonly onSize?: (listener: (size: TerminalSize) => void) => void
}

const connectMs = 10_000

/**
 * Joins local streams to a URL that Exec or Attach gave, by SPDY/3.1, which every runtime speaks. Gives the exit code
 * of the command. Throws `CriFailure`.
 */
export async function connectStream(url: string, streams: LocalStreams): Promise<number> {
  const connection = new SpdyConnection(await upgrade(url, 'v4.channel.k8s.io'), () => {}, true)
  const { stdin, stdout, stderr, tty, onSize } = streams
  // All are opened before the first byte is sent: the other side waits for them.
  const error = await connection.open({ streamtype: 'error' })
  const input = stdin ? await connection.open({ streamtype: 'stdin' }) : undefined
  const output = stdout ? await connection.open({ streamtype: 'stdout' }) : undefined
  const complaints = stderr && !tty ? await connection.open({ streamtype: 'stderr' }) : undefined
  const resize = tty ? await connection.open({ streamtype: 'resize' }) : undefined
  for (const stream of [error, input, output, complaints, resize]) stream?.on('error', () => {})
  onSize?.(({ columns, rows }) => resize?.write(JSON.stringify({ Width: columns, Height: rows })))
  if (input) stdin?.pipe(input)
  const moving = [
    ...(output && stdout ? [moveAll(output, stdout)] : []),
    ...(complaints && stderr ? [moveAll(complaints, stderr)] : []),
  ]
  let text = ''
  for await (const chunk of error as AsyncIterable<Buffer>) text += chunk.toString()
  await Promise.all(moving)
  stdin?.unpipe()
  connection.destroy()
  const outcome = readStatus(text)
  if ('exitCode' in outcome) return outcome.exitCode
  throw new CriFailure('UNKNOWN', outcome.failed)
}

/** Joins a connection to a port of the pod that a URL of PortForward is for. Ends when either side does. */
export async function forwardPort(url: string, port: number, local: Duplex): Promise<void> {
  const connection = new SpdyConnection(await upgrade(url, 'portforward.k8s.io'), () => {}, true)
  const headers = { port: String(port), requestid: '0' }
  const error = await connection.open({ ...headers, streamtype: 'error' })
  const data = await connection.open({ ...headers, streamtype: 'data' })
  for (const stream of [error, data]) stream.on('error', () => {})
  error.end()
  local.pipe(data)
  data.pipe(local)
  let text = ''
  for await (const chunk of error as AsyncIterable<Buffer>) text += chunk.toString()
  await new Promise<void>((resolve) => {
    if (data.readableEnded || data.destroyed || text !== '') return resolve()
    data.once('close', () => resolve())
    data.once('end', () => resolve())
    local.once('close', () => resolve())
  })
  connection.destroy()
  if (text !== '') throw new CriFailure('UNAVAILABLE', text)
}

async function moveAll(from: Readable, to: Writable): Promise<void> {
  for await (const chunk of from as AsyncIterable<Buffer>) {
    if (!to.write(chunk)) await new Promise((resolve) => to.once('drain', resolve))
  }
}

function upgrade(url: string, protocol: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest(url, {
      method: 'POST',
      timeout: connectMs,
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol },
    })
    const fail = (why: string): void =>
      reject(new CriFailure('UNAVAILABLE', `the stream at ${url} cannot be opened: ${why}`))
    asked.once('upgrade', (_, socket: Duplex, head: Buffer) => {
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    asked.once('response', (answer) => {
      answer.resume()
      fail(`the answer was ${answer.statusCode}`)
    })
    asked.once('timeout', () => asked.destroy(new Error('nobody answered')))
    asked.once('error', (error) => fail(error.message))
    asked.end()
  })
}
