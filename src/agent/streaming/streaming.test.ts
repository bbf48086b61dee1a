import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net'
import { Duplex, PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { WebSocket } from 'ws'
import { openLog } from '../../kernel/log.ts'
import type { ExecRequest } from '../cri/cri-types.ts'
import { connectStream, forwardPort } from './connect-stream.ts'
import { readStatus, successStatus } from './exit-status.ts'
import { SpdyConnection, type SpdyStream } from './spdy/connection.ts'
import { startStreamingServer } from './start-streaming-server.ts'
import type { StreamingServer, StreamingTarget, TerminalSize } from './types.ts'

const request: ExecRequest = {
  containerId: 'c',
  cmd: ['cat'],
  tty: false,
  stdin: true,
  stdout: true,
  stderr: true,
}

let server: StreamingServer
let sizes: TerminalSize[]
let wasAborted: Promise<void>

/** Echoes its input, says so on standard error, and exits with the number that its command names. */
const target: StreamingTarget = {
  async exec({ cmd, tty }, { stdin, stdout, stderr, onResize, signal }) {
    if (cmd[0] === 'fail') throw new Error('there is no such container')
    onResize((size) => sizes.push(size))
    if (cmd[0] === 'hang') {
      wasAborted = new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
      await wasAborted
      return 1
    }
    for await (const chunk of (stdin ?? []) as AsyncIterable<Buffer>) {
      if (!stdout?.write(chunk)) await new Promise((resolve) => stdout?.once('drain', resolve))
      if (tty && chunk.includes('end')) break
    }
    stderr?.write('read it all')
    return Number(cmd[1] ?? 0)
  },
  async attach(_, { stdout }) {
    stdout?.write('attached')
  },
  async portForward(_, port, connection) {
    if (port === 81) throw new Error('nothing listens on port 81')
    connection.end(`port ${port}`)
  },
}

before(async () => {
  server = await startStreamingServer({ target, log: openLog('silent'), tokenLifetimeMs: 60_000 })
})
after(() => server.close())

function streams(input: Buffer) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  stdin.end(input)
  return { stdin, stdout, stderr, output: buffer(stdout), complaints: buffer(stderr) }
}

describe('over SPDY', () => {
  test('much goes both ways, byte for byte, and the exit code comes back', async () => {
    const input = randomBytes(20_000_000)
    const { stdin, stdout, stderr, output, complaints } = streams(input)
    const url = server.execUrl({ ...request, cmd: ['cat', '42'] })
    assert.equal(await connectStream(url, { stdin, stdout, stderr, tty: false }), 42)
    stdout.end()
    stderr.end()
    const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
    assert.equal(hash(await output), hash(input))
    assert.equal((await complaints).toString(), 'read it all')
  })

  test('a terminal tells its sizes, and has one output', async () => {
    sizes = []
    const stdin = new PassThrough()
    const stdout = new PassThrough()
    const url = server.execUrl({ ...request, tty: true, stderr: false })
    const connected = connectStream(url, {
      stdin,
      stdout,
      tty: true,
      onSize(listener) {
        listener({ columns: 80, rows: 24 })
        listener({ columns: 132, rows: 50 })
        setTimeout(() => stdin.write('end'), 50)
      },
    })
    assert.equal(await connected, 0)
    assert.deepEqual(sizes, [
      { columns: 80, rows: 24 },
      { columns: 132, rows: 50 },
    ])
  })

  test('what fails says why, and a URL is good once', async () => {
    const url = server.execUrl({ ...request, cmd: ['fail'] })
    const ends = streams(Buffer.of())
    await assert.rejects(connectStream(url, { ...ends, tty: false }), {
      message: 'there is no such container',
    })
    await assert.rejects(connectStream(url, { ...ends, tty: false }), { message: /404/ })
  })

  test('a client that goes away ends its command', async () => {
    const url = new URL(server.execUrl({ ...request, cmd: ['hang'], stdin: false, stderr: false }))
    const socket = connect(Number(url.port), url.hostname)
    socket.write(
      `POST ${url.pathname} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n`,
    )
    await new Promise((resolve) => socket.once('data', resolve))
    const client = new SpdyConnection(socket, () => {}, true)
    await client.open({ streamtype: 'error' })
    const output = await client.open({ streamtype: 'stdout' })
    output.on('error', () => {})
    await new Promise((resolve) => setTimeout(resolve, 100))
    socket.destroy()
    await wasAborted
  })

  test('a port is reached, and one where nothing listens is named', async () => {
    const url = (): string => server.portForwardUrl({ podSandboxId: 'p', port: [80, 81] })
    const got = new PassThrough()
    const taken = buffer(got)
    await forwardPort(url(), 80, Duplex.from({ readable: new PassThrough(), writable: got }))
    assert.equal((await taken).toString(), 'port 80')
    for (const [port, why] of [
      [81, /nothing listens/],
      [82, /was not asked for/],
    ] as const) {
      const local = Duplex.from({ readable: new PassThrough(), writable: new PassThrough() })
      local.on('error', () => {})
      await assert.rejects(forwardPort(url(), port, local), { message: why })
    }
  })
})

describe('over a WebSocket', () => {
  async function talk(url: string, protocol: string, input: readonly Buffer[]) {
    const socket = new WebSocket(url.replace('http:', 'ws:'), [protocol])
    const channels = new Map<number, Buffer[]>()
    socket.on('message', (data: Buffer) => {
      const isText = protocol.includes('base64')
      const channel = isText ? Number(data.toString('latin1', 0, 1)) : (data[0] as number)
      const content = isText ? Buffer.from(data.toString('latin1', 1), 'base64') : data.subarray(1)
      channels.set(channel, [...(channels.get(channel) ?? []), content])
    })
    await new Promise((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    for (const message of input) socket.send(message)
    await new Promise((resolve) => socket.once('close', resolve))
    return (channel: number): string => Buffer.concat(channels.get(channel) ?? []).toString()
  }

  test('the newest protocol says when input ends, and tells the exit code', async () => {
    const said = await talk(server.execUrl({ ...request, cmd: ['cat', '3'] }), 'v5.channel.k8s.io', [
      Buffer.from('\0ahoy'),
      Buffer.of(255, 0),
    ])
    assert.equal(said(1), 'ahoy')
    assert.equal(said(2), 'read it all')
    assert.deepEqual(readStatus(said(3)), { exitCode: 3 })
  })

  for (const protocol of ['v4.channel.k8s.io', 'v5.channel.k8s.io']) {
    test(`${protocol}: a client that goes on after the end of its input is not heard, and ends nothing`, async () => {
      const said = await talk(server.execUrl({ ...request, cmd: ['cat', '3'] }), protocol, [
        Buffer.from('\0ahoy'),
        Buffer.of(255, 0),
        Buffer.from('\0late'),
        Buffer.of(255, 4),
        Buffer.from('\x04{"Width":1,"Height":1}'),
      ])
      assert.equal(said(1), 'ahoy')
    })
  }

  test('base64 is spoken where it is asked for, and what is not known is refused', async () => {
    const said = await talk(
      server.attachUrl({ containerId: 'c', stdin: false, stdout: true, stderr: false, tty: false }),
      'v4.base64.channel.k8s.io',
      [],
    )
    assert.equal(said(1), 'attached')
    await assert.rejects(talk(server.execUrl(request), 'v9.channel.k8s.io', []))
  })

  test('a port has two channels, which begin with its number', async () => {
    const said = await talk(server.portForwardUrl({ podSandboxId: 'p', port: [80] }), 'v4.channel.k8s.io', [])
    assert.equal(said(0).slice(2), 'port 80')
    assert.equal(said(0).charCodeAt(0), 80)
  })
})

describe('frames that nobody meant well', () => {
  let listener: Server
  const opened: SpdyStream[] = []
  const connections: SpdyConnection[] = []
  before(async () => {
    listener = createServer((socket) => {
      connections.push(
        new SpdyConnection(socket, (stream) => {
          stream.on('error', () => {})
          stream.resume()
          opened.push(stream)
        }),
      )
    })
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  })
  after(() => new Promise((resolve) => listener.close(resolve)))

  const send = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      const socket: Socket = connect((listener.address() as AddressInfo).port, '127.0.0.1')
      socket.on('error', () => {})
      socket.once('close', () => resolve())
      socket.end(bytes)
      socket.resume()
    })

  test('end the connection, and never the process', async () => {
    const control = (type: number, content: Buffer): Buffer => {
      const header = Buffer.from([0x80, 3, 0, type, 0, 0, 0, 0])
      header.writeUIntBE(content.length, 5, 3)
      return Buffer.concat([header, content])
    }
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 0, max: 12 }),
        async (bytes, type) => {
          await send(bytes)
          await send(control(type, Buffer.from(bytes)))
        },
      ),
      { numRuns: 150 },
    )
  })

  test('an exit status survives its way, whatever it is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), (code) => {
        assert.deepEqual(readStatus(successStatus(code)), { exitCode: code })
      }),
    )
    assert.deepEqual(readStatus('no json'), { failed: 'no json' })
  })
})
