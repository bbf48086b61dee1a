import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, describe, test } from 'node:test'
import type { ContainerConfig, ContainerStatus } from '../../src/agent/cri/cri-types.ts'
import type { Loose } from '../../src/agent/cri/protocol.ts'
import { connectStream, forwardPort } from '../../src/agent/streaming/connect-stream.ts'
import { bridgeNetwork, NodeLab, type CriClient } from '../fixtures/node-lab.ts'
import { findPeers, rootSkip } from './peer.ts'

const { skip: missing } = findPeers('runc', 'runsc', 'crun', 'busybox')
const skip = missing || rootSkip()
const waitMs = 30_000

describe('the embedded engine', { skip }, () => {
  let lab: NodeLab
  let cri: CriClient
  let image: string
  const podIds: string[] = []

  before(async () => {
    lab = await NodeLab.open()
    const { reference } = await lab.push('prod/app:1')
    await lab.push('prod/unsigned:1', { isSigned: false, files: { x: 'x' } })
    mkdirSync(join(lab.folder, 'cni'))
    writeFileSync(
      join(lab.folder, 'cni/10-bridge.conflist'),
      JSON.stringify(bridgeNetwork('pratique-test', '10.213.0.0/24')),
    )
    await lab.setUp({
      backends: [
        { kind: 'engine', name: 'engine', cniConfig: join(lab.folder, 'cni'), cniPlugins: ['/usr/lib/cni'] },
      ],
    })
    await lab.startAgent()
    cri = lab.connect()
    image = (await cri.call('PullImage', { image: { image: reference } })).imageRef
  })
  after(async () => {
    if (skip) return
    for (const { id } of (await cri.call('ListPodSandbox')).items) {
      await cri.call('RemovePodSandbox', { podSandboxId: id })
    }
    await cri.close()
    await lab.stopAgent()
    const left = leftovers(lab.folder, podIds)
    await lab.close()
    // The bridge stays for other pods, as it does with any runtime.
    execFileSync('sh', ['-c', 'ip link delete pratique-test 2>/dev/null || true'])
    assert.deepEqual(left, [])
  })

  const podConfig = (network: 'node' | 'none' | 'cni' = 'none') => ({
    metadata: { name: 'pod', uid: crypto.randomUUID(), namespace: 'test' },
    hostname: 'pod',
    logDirectory: join(lab.folder, 'logs'),
    annotations: network === 'none' ? { 'pratique.dev/network': 'none' } : {},
    linux: network === 'node' ? { securityContext: { namespaceOptions: { network: 'NODE' as const } } } : {},
  })

  async function start(
    args: readonly string[],
    more: Loose<ContainerConfig> = {},
    pod: { handler?: string; network?: 'node' | 'none' | 'cni' } = {},
  ) {
    const config = podConfig(pod.network)
    const { podSandboxId } = await cri.call('RunPodSandbox', {
      runtimeHandler: pod.handler ?? 'runc',
      config,
    })
    podIds.push(podSandboxId)
    const { containerId } = await cri.call('CreateContainer', {
      podSandboxId,
      sandboxConfig: config,
      config: {
        metadata: { name: 'c' },
        image: { image },
        command: args,
        logPath: `${podSandboxId.slice(0, 12)}.log`,
        ...more,
      },
    })
    await cri.call('StartContainer', { containerId })
    return { podSandboxId, containerId, log: join(lab.folder, 'logs', `${podSandboxId.slice(0, 12)}.log`) }
  }

  async function ended(containerId: string): Promise<ContainerStatus> {
    const deadline = performance.now() + waitMs
    for (;;) {
      const { status } = await cri.call('ContainerStatus', { containerId })
      if (status?.state === 'CONTAINER_EXITED') return status
      assert.ok(performance.now() < deadline, 'the container has not ended')
      await pause(50)
    }
  }

  const remove = (podSandboxId: string) => cri.call('RemovePodSandbox', { podSandboxId })
  const textOf = (log: string): string =>
    readFileSync(log, 'utf8').replaceAll(/^\S+ std(out|err) [FP] /gm, '')

  for (const [handler, evidence] of [
    ['runc', new RegExp(`^${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}$`, 'm')],
    ['crun', new RegExp(`^${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}$`, 'm')],
    ['runsc', /Starting gVisor/],
  ] as const) {
    test(`${handler} runs a container, and its kernel is the one that was asked for`, async () => {
      const { podSandboxId, containerId, log } = await start(
        ['sh', '-c', 'uname -r; dmesg 2>/dev/null | head -1; id -u; exit 7'],
        {},
        { handler },
      )
      assert.equal((await ended(containerId)).exitCode, 7)
      assert.match(textOf(log), evidence)
      const { status } = await cri.call('PodSandboxStatus', { podSandboxId })
      assert.equal(status?.runtimeHandler, handler)
      await remove(podSandboxId)
    })
  }

  test('an unsigned image is neither pulled nor run', async () => {
    const unsigned = `${lab.product.host}/prod/unsigned:1`
    await assert.rejects(cri.call('PullImage', { image: { image: unsigned } }), {
      code: 'PERMISSION_DENIED',
      message: /unsigned/,
    })
    const config = podConfig()
    const { podSandboxId } = await cri.call('RunPodSandbox', { config })
    await assert.rejects(
      cri.call('CreateContainer', {
        podSandboxId,
        config: { metadata: { name: 'c' }, image: { image: unsigned } },
      }),
      { code: 'NOT_FOUND' },
    )
    await remove(podSandboxId)
  })

  test('the container is who, where and with what it was asked to be', async () => {
    mkdirSync(join(lab.folder, 'volume'), { recursive: true })
    writeFileSync(join(lab.folder, 'volume/note'), 'from outside')
    const { podSandboxId, containerId, log } = await start(
      [
        'sh',
        '-c',
        'id; pwd; echo $GREETING; cat /data/note; touch /data/x || echo read-only; cat /proc/sys/kernel/hostname; cat /etc/hosts; ls /sys/class/net; grep Cap /proc/self/status; touch /x || echo no-root',
      ],
      {
        workingDir: '/etc',
        envs: [{ key: 'GREETING', value: Buffer.from('ahoy') }],
        mounts: [{ containerPath: '/data', hostPath: join(lab.folder, 'volume'), readonly: true }],
        linux: {
          securityContext: {
            runAsUsername: 'app',
            readonlyRootfs: true,
            capabilities: { dropCapabilities: ['ALL'] },
          },
        },
      },
    )
    await ended(containerId)
    const text = textOf(log)
    assert.match(text, /uid=1000\(app\)/)
    assert.match(text, /^\/etc\nahoy\n/m)
    assert.match(text, /from outside/)
    assert.match(text, /read-only/)
    assert.match(text, /^pod$/m)
    assert.match(text, /^lo$/m)
    assert.match(text, /CapBnd:\s+0{16}/)
    assert.match(text, /no-root/)
    assert.ok(!/eth0/.test(text))
    await remove(podSandboxId)
  })

  test('a command in a container gives its output and exit code, and one that hangs is killed', async () => {
    const { podSandboxId, containerId } = await start(['sleep', '1000'])
    const told = await cri.call('ExecSync', {
      containerId,
      cmd: ['sh', '-c', 'echo out; echo err >&2; exit 3'],
    })
    assert.deepEqual([told.stdout.toString(), told.stderr.toString(), told.exitCode], ['out\n', 'err\n', 3])
    await assert.rejects(cri.call('ExecSync', { containerId, cmd: ['sleep', '500'], timeout: 1 }), {
      code: 'DEADLINE_EXCEEDED',
    })
    const { stdout } = await cri.call('ExecSync', {
      containerId,
      cmd: ['sh', '-c', 'cat /proc/[0-9]*/cmdline'],
    })
    assert.ok(!stdout.includes('500'), 'the command that was late still runs')
    await remove(podSandboxId)
  })

  test('streams go both ways through Exec, with and without a terminal', async () => {
    const { podSandboxId, containerId } = await start(['sleep', '1000'])
    const request = { containerId, stdin: true, stdout: true, stderr: true }
    const { url } = await cri.call('Exec', { ...request, cmd: ['sh', '-c', 'cat; echo done >&2; exit 4'] })
    const stdin = new PassThrough()
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    stdin.end(Buffer.alloc(1_000_000, 'x'))
    const output = buffer(stdout)
    assert.equal(await connectStream(url, { stdin, stdout, stderr, tty: false }), 4)
    stdout.end()
    stderr.end()
    assert.equal((await output).length, 1_000_000)
    assert.equal((await buffer(stderr)).toString(), 'done\n')
    const terminal = new PassThrough()
    const { url: second } = await cri.call('Exec', {
      containerId,
      stdin: true,
      stdout: true,
      tty: true,
      cmd: ['sh', '-c', 'read line; echo "got $line"; stty size 2>/dev/null || true'],
    })
    const typed = new PassThrough()
    typed.write('hello\n')
    assert.equal(await connectStream(second, { stdin: typed, stdout: terminal, tty: true }), 0)
    terminal.end()
    assert.match((await buffer(terminal)).toString(), /got hello/)
    await assert.rejects(connectStream(url, { stdout: terminal, tty: false }), { message: /404/ })
    await remove(podSandboxId)
  })

  test('a client that attaches talks to the container itself', async () => {
    const { podSandboxId, containerId } = await start(
      ['sh', '-c', 'read line; echo "heard $line"; sleep 0.2; exit 5'],
      {
        stdin: true,
      },
    )
    const { url } = await cri.call('Attach', { containerId, stdin: true, stdout: true, stderr: true })
    const [stdin, stdout] = [new PassThrough(), new PassThrough()]
    const attached = connectStream(url, { stdin, stdout, stderr: new PassThrough(), tty: false })
    stdin.write('ahoy\n')
    await attached
    stdout.end()
    assert.match((await buffer(stdout)).toString(), /heard ahoy/)
    assert.equal((await ended(containerId)).exitCode, 5)
    await remove(podSandboxId)
  })

  test('opening its log again takes nothing from whoever attaches after it, and ends no input', async () => {
    const { podSandboxId, containerId, log } = await start(['sh', '-c', 'echo early; cat'], {
      stdin: true,
      stdinOnce: true,
    })
    const deadline = performance.now() + waitMs
    while (!(existsSync(log) && readFileSync(log, 'utf8').includes('early')) && performance.now() < deadline)
      await pause(50)
    await cri.call('ReopenContainerLog', { containerId })
    const { url } = await cri.call('Attach', { containerId, stdin: true, stdout: true, stderr: true })
    const [stdin, stdout] = [new PassThrough(), new PassThrough()]
    const attached = connectStream(url, { stdin, stdout, stderr: new PassThrough(), tty: false })
    stdin.end('ahoy\n')
    await attached
    stdout.end()
    assert.equal((await buffer(stdout)).toString(), 'early\nahoy\n')
    assert.equal((await ended(containerId)).exitCode, 0)
    await remove(podSandboxId)
  })

  test('stop asks first, kills what does not listen, and is content with what has ended', async () => {
    const polite = await start(['sh', '-c', 'trap "exit 9" TERM; while true; do sleep 0.1; done'])
    await cri.call('StopContainer', { containerId: polite.containerId, timeout: 20 })
    assert.equal((await ended(polite.containerId)).exitCode, 9)
    await cri.call('StopContainer', { containerId: polite.containerId, timeout: 20 })
    const deaf = await start(['sh', '-c', 'trap "" TERM; while true; do sleep 0.1; done'])
    await cri.call('StopContainer', { containerId: deaf.containerId, timeout: 1 })
    assert.equal((await ended(deaf.containerId)).exitCode, 137)
    const patient = await start(['sh', '-c', 'trap "" TERM; while true; do sleep 0.1; done'])
    const begun = performance.now()
    const stopping = cri.call('StopContainer', { containerId: patient.containerId, timeout: 60 })
    await pause(500)
    await cri.call('StopContainer', { containerId: patient.containerId, timeout: 0 })
    await stopping
    assert.ok(performance.now() - begun < 45_000, 'the shorter grace did not count')
    for (const { podSandboxId } of [polite, deaf, patient]) await remove(podSandboxId)
  })

  test('a container that takes more memory than it may is killed, and the reason is said', async () => {
    const { podSandboxId, containerId } = await start(['sh', '-c', 'x=x; while true; do x=$x$x; done'], {
      linux: { resources: { memoryLimitInBytes: 12 << 20, memorySwapLimitInBytes: 12 << 20 } },
    })
    const { exitCode, reason } = await ended(containerId)
    assert.deepEqual([exitCode, reason], [137, 'OOMKilled'])
    await remove(podSandboxId)
  })

  test('what cannot be run says why, and leaves nothing', async () => {
    const config = podConfig()
    const { podSandboxId } = await cri.call('RunPodSandbox', { runtimeHandler: 'runc', config })
    const create = (more: Loose<ContainerConfig>) =>
      cri.call('CreateContainer', {
        podSandboxId,
        config: { metadata: { name: 'c' }, image: { image }, ...more },
      })
    await assert.rejects(create({ mounts: [{ containerPath: '/x', hostPath: '/proc/nowhere' }] }), {
      code: 'FAILED_PRECONDITION',
      message: /\/nowhere/,
    })
    await assert.rejects(create({ linux: { securityContext: { runAsUsername: 'nobody-here' } } }), {
      code: 'FAILED_PRECONDITION',
      message: /nobody-here/,
    })
    const { containerId } = await create({ command: ['/bin/not-there'] })
    await assert.rejects(cri.call('StartContainer', { containerId }), {
      code: 'FAILED_PRECONDITION',
      message: /not-there/,
    })
    const { status } = await cri.call('ContainerStatus', { containerId })
    assert.deepEqual([status?.state, status?.reason], ['CONTAINER_EXITED', 'StartError'])
    await assert.rejects(cri.call('RunPodSandbox', { runtimeHandler: 'kata', config }), { code: 'NOT_FOUND' })
    await remove(podSandboxId)
    assert.deepEqual((await cri.call('ListContainers')).containers, [])
  })

  test('a pod with a network of its own is reached by its address and through a port', async () => {
    const { podSandboxId, containerId } = await start(
      ['sh', '-c', 'while true; do echo served | nc -l -p 8080; done'],
      {},
      { network: 'cni' },
    )
    const { status } = await cri.call('PodSandboxStatus', { podSandboxId })
    const ip = status?.network?.ip ?? ''
    assert.match(ip, /^10\.213\./)
    const { url } = await cri.call('PortForward', { podSandboxId, port: [8080] })
    const deadline = performance.now() + waitMs
    let direct = ''
    while (!direct.includes('served') && performance.now() < deadline) {
      direct = await readPort(ip, 8080)
      if (direct === '') await pause(100)
    }
    assert.equal(direct, 'served\n')
    const local = new PassThrough()
    const { Duplex } = await import('node:stream')
    const got = new PassThrough()
    const taken = buffer(got)
    await forwardPort(url, 8080, Duplex.from({ readable: local, writable: got }))
    assert.equal((await taken).toString(), 'served\n')
    assert.equal((await cri.call('ContainerStatus', { containerId })).status?.state, 'CONTAINER_RUNNING')
    await remove(podSandboxId)
    assert.equal(await readPort(ip, 8080), '')
  })

  test('statistics tell what a container uses', async () => {
    const { podSandboxId, containerId } = await start(['sh', '-c', 'touch /written; while true; do :; done'])
    const usage = async () => (await cri.call('ContainerStats', { containerId })).stats
    const deadline = performance.now() + waitMs
    let stats = await usage()
    while ((stats?.cpu?.usageCoreNanoSeconds?.value ?? 0) < 1e7 && performance.now() < deadline)
      stats = await usage()
    assert.ok((stats?.cpu?.usageCoreNanoSeconds?.value ?? 0) >= 1e7)
    assert.ok((stats?.memory?.workingSetBytes?.value ?? 0) > 0)
    const pods = await cri.call('ListPodSandboxStats', { filter: { id: podSandboxId } })
    assert.equal(pods.stats[0]?.linux?.containers.length, 1)
    await remove(podSandboxId)
  })

  test('a log that was moved away is written anew', async () => {
    const { podSandboxId, containerId, log } = await start([
      'sh',
      '-c',
      'while true; do echo tick; sleep 0.05; done',
    ])
    execFileSync('mv', [log, `${log}.old`])
    await cri.call('ReopenContainerLog', { containerId })
    const deadline = performance.now() + waitMs
    while ((!existsSync(log) || readFileSync(log, 'utf8') === '') && performance.now() < deadline)
      await pause(50)
    assert.match(readFileSync(log, 'utf8'), /stdout F tick/)
    await remove(podSandboxId)
  })

  test('the agent is killed and comes back: what ran goes on, with its output, and its end is known', async () => {
    const running = await start([
      'sh',
      '-c',
      'trap "exit 6" TERM; while true; do echo tick; sleep 0.05; done',
    ])
    const ending = await start(['sh', '-c', 'sleep 1; echo late; exit 8'])
    await lab.stopAgent('SIGKILL')
    const sizeBefore = readFileSync(running.log).length
    await pause(1_500)
    await lab.startAgent()
    assert.ok(
      readFileSync(running.log).length > sizeBefore,
      'the container was silent while the agent was away',
    )
    const late = await ended(ending.containerId)
    assert.equal(late.exitCode, 8)
    assert.match(textOf(ending.log), /late/)
    const told = await cri.call('ExecSync', { containerId: running.containerId, cmd: ['echo', 'back'] })
    assert.equal(told.stdout.toString(), 'back\n')
    await cri.call('StopContainer', { containerId: running.containerId, timeout: 20 })
    assert.equal((await ended(running.containerId)).exitCode, 6)
    for (const { podSandboxId } of [running, ending]) await remove(podSandboxId)
  })

  test('a shim that is killed takes its container along, and that is said', async () => {
    const { podSandboxId, containerId } = await start(['sleep', '1000'])
    const { info } = await cri.call('ContainerStatus', { containerId, verbose: true })
    const { shim, pid } = JSON.parse(info['info'] ?? '{}') as { shim: { pid: number }; pid: number }
    process.kill(shim.pid, 'SIGKILL')
    const status = await ended(containerId)
    assert.deepEqual([status.exitCode, status.message], [137, 'the process that held it was killed'])
    const deadline = performance.now() + waitMs
    while (existsSync(`/proc/${pid}`) && performance.now() < deadline) await pause(50)
    assert.ok(!existsSync(`/proc/${pid}`), 'the container still runs')
    await remove(podSandboxId)
  })
})

function readPort(host: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 1_000 })
    let text = ''
    socket.on('data', (chunk) => (text += chunk.toString()))
    socket.once('error', () => resolve(''))
    socket.once('timeout', () => socket.destroy())
    socket.once('close', () => resolve(text))
  })
}

/** What a runtime could leave behind of these pods. */
function leftovers(folder: string, podIds: readonly string[]): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(folder))
  const groups = readdirSync('/sys/fs/cgroup').flatMap((name) =>
    podIds
      .map((id) => join('/sys/fs/cgroup', name, 'pratique', id.slice(0, 24)))
      .filter((one) => existsSync(one)),
  )
  const processes = execFileSync('ps', ['-eo', 'args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(folder) && /shim\.ts|runsc|runc/.test(line))
  return [...mounts, ...groups, ...processes]
}
