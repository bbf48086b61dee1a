import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Duplex, PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { connectStream, forwardPort } from '../../../src/agent/streaming/connect-stream.ts'
import { ownNetwork, podSecurity, security, until, type Check, type Trial } from './trial.ts'

/** Runs a command through a stream, with something to read; gives what it printed. */
async function execThrough(
  { cri }: Trial,
  containerId: string,
  script: string,
  { input, tty = false }: { input?: string; tty?: boolean } = {},
) {
  const { url } = await cri.call('Exec', {
    containerId,
    cmd: ['sh', '-c', script],
    stdin: input !== undefined,
    stdout: true,
    stderr: !tty,
    tty,
  })
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  // A terminal does not end with what is typed.
  if (tty) stdin.write(input ?? '')
  else stdin.end(input)
  const printed = Promise.all([buffer(stdout), buffer(stderr)])
  const exitCode = await connectStream(url, {
    ...(input === undefined ? {} : { stdin }),
    stdout,
    ...(tty ? {} : { stderr }),
    tty,
  })
  stdout.end()
  stderr.end()
  const [out, complaints] = (await printed).map(String)
  return { exitCode, out, complaints }
}

async function attachTo({ cri }: Trial, containerId: string, input: string, tty = false): Promise<string> {
  const { url } = await cri.call('Attach', { containerId, stdin: true, stdout: true, stderr: !tty, tty })
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const printed = buffer(stdout)
  const attached = connectStream(url, { stdin, stdout, ...(tty ? {} : { stderr }), tty })
  stdin.write(input)
  await attached
  stdout.end()
  return (await printed).toString()
}

/** Sends something to a port of a pod and gives what comes back. */
async function sendTo({ cri }: Trial, podSandboxId: string, port: number, sent: string): Promise<string> {
  const { url } = await cri.call('PortForward', { podSandboxId, port: [port] })
  const [readable, writable] = [new PassThrough(), new PassThrough()]
  const answered = buffer(writable)
  readable.write(sent)
  await forwardPort(url, port, Duplex.from({ readable, writable }))
  return (await answered).toString()
}

const logs: readonly Check[] = [
  {
    name: 'what is printed is in the log, with its time, its stream and whether the line is whole',
    async run(trial) {
      const pod = await trial.pod()
      const script = 'echo out; echo problem >&2; echo; head -c 20000 /dev/zero | tr "\\0" x; echo; echo end'
      const containerId = await trial.start(pod, ['sh', '-c', script], { metadata: { name: 'c' } })
      await trial.ended(containerId)
      const file = join(pod.logs, 'c.log')
      const lines = await until('the log is not whole', () => {
        const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
        // Which of two streams is written first is nobody's promise.
        const isWhole = text.includes(' stdout F end\n') && text.includes(' stderr F problem\n')
        return isWhole ? text.trimEnd().split('\n') : undefined
      })
      const line = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:\d\d)) (stdout|stderr) ([FP]) (.*)$/
      const read = lines.map((one) => line.exec(one) ?? assert.fail(`not a line of a log: ${one}`))
      for (const [, time = ''] of read) assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000)
      const short = (stream: string) =>
        read.flatMap(([, , from, tag, text = '']) => (from === stream ? [`${tag} ${text.slice(0, 9)}`] : []))
      assert.deepEqual(short('stderr'), ['F problem'])
      assert.deepEqual(short('stdout'), ['F out', 'F ', 'P xxxxxxxxx', 'F xxxxxxxxx', 'F end'])
      assert.equal(read.find(([, , , tag]) => tag === 'P')?.[4]?.length, 16 * 1024)
    },
  },
  {
    name: 'a log that was moved away is written anew when that is asked, and only of what runs',
    async run(trial) {
      const pod = await trial.pod()
      const script = 'while true; do echo tick; sleep 0.05; done'
      const containerId = await trial.create(pod, ['sh', '-c', script], { metadata: { name: 'c' } })
      await assert.rejects(trial.cri.call('ReopenContainerLog', { containerId }))
      await trial.cri.call('StartContainer', { containerId })
      const file = join(pod.logs, 'c.log')
      assert.match(await trial.log(pod, 'c'), /tick/)
      renameSync(file, `${file}.old`)
      await trial.cri.call('ReopenContainerLog', { containerId })
      assert.ok(existsSync(file))
      assert.match(await trial.log(pod, 'c'), /tick/)
      const size = readFileSync(`${file}.old`).length
      await until('nothing more is written', () => (readFileSync(file).length > 300 ? true : undefined))
      assert.equal(readFileSync(`${file}.old`).length, size)
      await trial.cri.call('StopContainer', { containerId, timeout: 0 })
      await assert.rejects(trial.cri.call('ReopenContainerLog', { containerId }))
    },
  },
  {
    name: 'a container with a terminal prints to it, and all of it is standard output',
    async run(trial) {
      const pod = await trial.pod()
      const script = 'test -t 0 && test -t 1 && echo terminal >&2; echo $TERM'
      await trial.ended(
        await trial.start(pod, ['sh', '-c', script], { tty: true, stdin: true, metadata: { name: 'c' } }),
      )
      assert.match(await trial.log(pod, 'c'), /^terminal\r?\nxterm/)
      assert.ok(!readFileSync(join(pod.logs, 'c.log'), 'utf8').includes(' stderr '))
    },
  },
]

export const streamChecks: readonly Check[] = [
  ...logs,
  {
    name: 'a command takes its input and gives its output, its complaints and its exit code through a stream',
    async run(trial) {
      const containerId = await trial.waiting()
      const input = 'x'.repeat(300_000)
      const told = await execThrough(trial, containerId, 'cat; echo problem >&2; exit 5', { input })
      assert.deepEqual([told.exitCode, told.out?.length, told.complaints], [5, 300_000, 'problem\n'])
      const silent = await execThrough(trial, containerId, 'cat; echo no input')
      assert.deepEqual([silent.exitCode, silent.out], [0, 'no input\n'])
    },
  },
  {
    name: 'a command in a terminal is typed to, and knows what terminal it is',
    async run(trial) {
      const containerId = await trial.waiting()
      const script = 'test -t 0 && read line; echo "got $line on $TERM"; exit 6'
      const told = await execThrough(trial, containerId, script, { input: 'hello\n', tty: true })
      assert.equal(told.exitCode, 6)
      assert.match(told.out ?? '', /got hello on xterm/)
    },
  },
  {
    name: 'who attaches talks to the container itself',
    async run(trial) {
      const { pod } = trial.subject
      const script = 'read line; echo "heard $line"; sleep 0.3; exit 7'
      const containerId = await trial.start(pod, ['sh', '-c', script], { stdin: true })
      assert.match(await attachTo(trial, containerId, 'ahoy\n'), /heard ahoy/)
      assert.equal((await trial.ended(containerId)).exitCode, 7)
    },
  },
  {
    name: 'who attaches to a container with a terminal talks to the container itself',
    async run(trial) {
      const { pod } = trial.subject
      const script = 'read line; echo "heard $line"; sleep 0.3; exit 8'
      const containerId = await trial.start(pod, ['sh', '-c', script], { stdin: true, tty: true })
      assert.match(await attachTo(trial, containerId, 'ahoy\n', true), /heard ahoy/)
      assert.equal((await trial.ended(containerId)).exitCode, 8)
    },
  },
  {
    name: 'a port of a pod is reached through a stream',
    async run(trial) {
      const pod = await trial.pod({ linux: podSecurity(ownNetwork) })
      const linux = security(ownNetwork)
      const containerId = await trial.start(pod, ['httpd', '-f', '-p', '8080', '-h', '/etc'], { linux })
      await until('nobody listens', async () =>
        (await trial.exec(containerId, 'cat /proc/net/tcp /proc/net/tcp6')).includes(':1F90')
          ? true
          : undefined,
      )
      assert.match(await sendTo(trial, pod.id, 8080, 'GET /name HTTP/1.0\r\n\r\n'), /200 OK[^]*prod\/base:1$/)
    },
  },
  {
    name: 'a port of the node is reached through a pod in its network',
    async run(trial) {
      const server = createServer((socket) => {
        socket.once('data', (chunk) => socket.end(`served ${chunk.toString()}`))
      })
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve)
      })
      try {
        const pod = await trial.pod()
        assert.equal(
          await sendTo(trial, pod.id, (server.address() as AddressInfo).port, 'this\n'),
          'served this\n',
        )
      } finally {
        server.close()
      }
    },
  },
]
