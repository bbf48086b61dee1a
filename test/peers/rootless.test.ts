import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { nobody, NodeLab, type NodeAccount } from '../fixtures/node-lab.ts'
import { runToEnd, type Ran } from '../fixtures/start-product.ts'
import { findPeers, rootSkip } from './peer.ts'

const { skip: missing, paths } = findPeers(
  'runc',
  'runsc',
  'setpriv',
  'unshare',
  'newuidmap',
  'busybox',
  'pasta',
)
const skip = missing || rootSkip()
const program = join(import.meta.dirname, '../../bin/pratique')
const tun = '/dev/net/tun'

/** Tests start as root, to become an account that is not. */
describe('the engine of an account without root', { skip }, () => {
  const home = mkdtempSync(join(tmpdir(), 'pratique-rootless-'))
  const [first = '', ...prefix] = nobody.prefix
  const environment = { HOME: home, XDG_RUNTIME_DIR: home, XDG_STATE_HOME: home, NODE_COMPILE_CACHE: home }
  let lab: NodeLab
  let image: string
  let layered: string

  before(async () => {
    lab = await NodeLab.open()
    image = (await lab.push('prod/app:1')).reference
    const files = {
      'data/old': 'from below',
      'data/kept': 'from below',
      'whole/gone': 'from below',
      'app/mine': { content: 'x', uid: 1000, gid: 1000 },
      'dev/disk': { type: 'block-device' as const, devmajor: 8, devminor: 0 },
    }
    const layer = { 'data/.wh.old': '', 'whole/.wh..wh..opq': '', 'whole/new': 'from above' }
    layered = (await lab.push('prod/layered:1', { files, layer })).reference
    await lab.setUp({
      backends: [
        { kind: 'engine', name: 'engine', runtimes: { runc: paths.runc, gvisor: paths.runsc } },
        { kind: 'wasm', name: 'wasm' },
      ],
    })
    lab.giveTo(nobody)
    chownSync(home, nobody.id, nobody.id)
  })
  after(async () => {
    if (skip) return
    await lab.stopAgent()
    endHolder()
    await lab.close()
    rmSync(home, { recursive: true, force: true })
  })

  const pratique = (...args: string[]): Promise<Ran> =>
    runToEnd(first, [...prefix, program, ...args], { ...environment, ...lab.environment })
  const run = (...args: string[]): Promise<Ran> => pratique('run', '--rm', '--network', 'none', ...args)
  const start = (account: NodeAccount = nobody) => lab.startAgent(environment, account)
  /** With other files of the machine. Where nothing runs, it comes back to new namespaces, which have them too. */
  const startWith = (path: string, content: string, other = path) => {
    const file = join(home, basename(path))
    writeFileSync(file, content)
    const script = `mount --bind ${file} ${path} && mount --bind ${file} ${other} && exec "$@"`
    const own = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh']
    return start({ id: nobody.id, prefix: [...own, ...nobody.prefix] })
  }
  const holder = (): number =>
    (JSON.parse(readFileSync(join(lab.folder, 'state/namespaces.json'), 'utf8')) as { pid: number }).pid
  const endHolder = (): void => {
    const pid = holder()
    process.kill(pid, 'SIGKILL')
    while (isRunning(pid));
  }
  /** Processes of the account, for which this is the whole machine. */
  const sleepers = (): string[] =>
    execFileSync('ps', ['-eo', 'user:20,args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.startsWith('nobody') && line.includes('sleep 4242'))

  test('runs what was cleared, as root of its own and as nobody for the machine', async () => {
    await start()
    const told = await run(
      image,
      '/bin/sh',
      '-c',
      'id -u; cat /proc/self/uid_map; cat /proc/sys/kernel/hostname',
    )
    assert.equal(told.code, 0, told.stderr)
    assert.match(told.stdout, /^0\n\s+0\s+65534\s+1\nrun-/)
    assert.equal((await run(image, '/bin/sh', '-c', 'touch /etc/passwd && exit 7')).code, 7)
    const unsigned = (await lab.push('prod/unsigned:1', { isSigned: false, files: { u: 'u' } })).reference
    const refused = await run(unsigned, 'true')
    assert.match(refused.stderr, /not cleared/)
  })

  test('gVisor isolates there too', async () => {
    const told = await run('--handler', 'gvisor', image, '/bin/sh', '-c', 'uname -r; dmesg')
    assert.match(told.stdout, /^4\.4\.0\n[^]*gVisor/, told.stderr)
  })

  test('its runtimes are tried as it calls them', async () => {
    const { stdout, stderr } = await pratique('--json', 'runtimes', '--probe')
    const found = JSON.parse(stdout) as { handler: string; state: string; startMs?: number }[]
    const states = Object.fromEntries(found.map(({ handler, state }) => [handler, state]))
    assert.deepEqual([states['runc'], states['gvisor'], states['wasm']], ['works', 'works', 'works'], stderr)
    assert.ok((found.find(({ handler }) => handler === 'runc')?.startMs ?? 0) > 0)
  })

  test('layers delete what they say, and devices in them are left out', async () => {
    const { stdout, stderr } = await run(
      layered,
      '/bin/sh',
      '-c',
      'ls /data /whole; ls /app; ls /dev/disk || true',
    )
    assert.equal(stdout, '/data:\nkept\n\n/whole:\nnew\nmine\n', stderr)
    assert.match(stderr, /\/dev\/disk: No such file/)
  })

  test('what it cannot hold is refused with the remedy', async () => {
    for (const [argv, message] of [
      [['--user', '1000'], /no subordinate ids.*usermod/],
      [['--memory', '64m'], /an account without root has no control groups/],
    ] as const) {
      const { code, stderr } = await run(...argv, image, 'true')
      assert.equal(code, 2)
      assert.match(stderr, message)
    }
    assert.equal((await pratique('run', '--rm', '--network', 'host', image, 'true')).code, 0)
  })

  test('a container that shares its processes is killed with all of its own, and with none of others', async () => {
    const cri = lab.connect()
    const linux = { securityContext: { namespaceOptions: { network: 'NODE', pid: 'POD' } } } as const
    const config = { metadata: { name: 'shared', namespace: 'test', uid: 'u' }, linux }
    const { podSandboxId } = await cri.call('RunPodSandbox', { config, runtimeHandler: 'runc' })
    const begin = async (name: string, script: string): Promise<string> => {
      const { containerId } = await cri.call('CreateContainer', {
        podSandboxId,
        sandboxConfig: config,
        config: { metadata: { name }, image: { image }, command: ['/bin/sh', '-c', script], linux },
      })
      await cri.call('StartContainer', { containerId })
      return containerId
    }
    const other = await begin('other', 'sleep 5555 & sleep 5555; true')
    const ended = await begin('ended', 'sleep 6666 & sleep 6666; true')
    const seen = async (): Promise<readonly number[]> => {
      const { stdout } = await cri.call('ExecSync', {
        containerId: other,
        cmd: ['busybox', 'ps', '-o', 'args'],
      })
      const text = stdout.toString()
      return ['5555', '6666'].map((one) => text.match(new RegExp(`sleep ${one}$`, 'gm'))?.length ?? 0)
    }
    try {
      assert.deepEqual(await seen(), [2, 2])
      await cri.call('StopContainer', { containerId: ended, timeout: 0 })
      assert.deepEqual(await seen(), [2, 0])
    } finally {
      await cri.call('RemovePodSandbox', { podSandboxId })
      await cri.close()
    }
  })

  test('a second agent is refused, and takes nothing from the first', async () => {
    const before = holder()
    const second = await pratique('node', 'serve', '--config', lab.configPath)
    assert.notEqual(second.code, 0)
    assert.match(second.stderr, /serves \S+ already/)
    assert.equal(holder(), before)
    assert.equal((await run(image, 'true')).code, 0)
  })

  describe('with a network of its own', () => {
    const mode = statSync(tun).mode
    const server = createServer((_, response) => response.end('hello'))
    let there: string

    before(async () => {
      chmodSync(tun, 0o666)
      await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
      there = `:${(server.address() as AddressInfo).port}/`
    })
    after(() => {
      chmodSync(tun, mode)
      server.close()
    })

    const serve = (name: string, ...options: string[]): Promise<Ran> =>
      pratique('run', '-d', '--name', name, ...options, image, 'busybox', 'httpd', '-f', '-h', '/etc')
    const connectors = (): number[] => processesOf(`pasta --pid ${lab.folder}`)
    const end = async (name: string): Promise<void> => {
      await pratique('stop', '--time', '0', name)
      assert.equal((await pratique('rm', name)).code, 0)
    }

    test('a pod reaches the machine and what is behind it, and not its loopback device', async () => {
      const script = `wget -qO- http://${ownAddress()}${there}; wget -qO- http://127.0.0.1${there}`
      const told = await pratique('run', '--rm', image, '/bin/sh', '-c', script)
      assert.equal(told.stdout, 'hello', told.stderr)
      assert.match(told.stderr, /refused/)
      assert.deepEqual(connectors(), [])
    })

    for (const handler of ['runc', 'gvisor']) {
      test(`a pod of ${handler} is reached at its published ports`, async () => {
        const [near, far] = [await freePort(), await freePort()]
        const ports = ['-p', `127.0.0.1:${near}:80`, '-p', `${far}:80`]
        const { code, stderr } = await serve('web', '--handler', handler, ...ports)
        assert.equal(code, 0, stderr)
        assert.equal(connectors().length, 1)
        assert.equal(await read(`http://127.0.0.1:${near}/name`), 'prod/app:1')
        assert.equal(await read(`http://${ownAddress()}:${far}/name`), 'prod/app:1')
        await end('web')
        assert.deepEqual(connectors(), [])
      })
    }

    test('a published port of UDP is answered, and nothing is published that was not named', async () => {
      const port = await freePort()
      const started = await pratique(
        'run',
        '-d',
        '--name',
        'quiet',
        '-p',
        `${port}:53/udp`,
        image,
        'sleep',
        '4242',
      )
      assert.equal(started.code, 0, started.stderr)
      const script = `const s = require('node:dgram').createSocket('udp4')
        s.on('message', (text, from) => s.send('answer to ' + text, from.port, from.address)).bind(53)`
      const [inside = 0] = processesOf('sleep 4242')
      const answering = spawn('nsenter', [
        '--net',
        '--target',
        String(inside),
        process.execPath,
        '-e',
        script,
      ])
      assert.equal(await ask(ownAddress(), port), 'answer to a question')
      answering.kill('SIGKILL')
      await assert.rejects(fetch(`http://127.0.0.1:${port}/`), /fetch failed/)
      const client = lab.connect()
      const { items } = await client.call('ListPodSandbox', {})
      const { status } = await client.call('PodSandboxStatus', { podSandboxId: items[0]?.id ?? '' })
      assert.equal(status?.network?.ip, '10.0.2.100')
      client.close()
      await end('quiet')
    })

    test('what cannot be published is refused with the remedy, and nothing is left', async () => {
      const taken = there.slice(1, -1)
      for (const [publish, message] of [
        [`127.0.0.1:${taken}:80`, /the port is taken.*ss -lntup/],
        [`${taken}:80`, /the port is taken/],
        ['79:80', /port 79 \(TCP\): an account without root.*ip_unprivileged_port_start=79/],
        ['203.0.113.9:18083:80', /the address is none of this machine/],
        ['18083:80/sctp', /TCP and UDP only/],
      ] as const) {
        const { code, stderr } = await pratique('run', '--rm', '-p', publish, image, 'true')
        assert.equal(code, 2)
        assert.match(stderr, message)
      }
      chmodSync(tun, 0o600)
      const closed = await pratique('run', '--rm', image, 'true')
      chmodSync(tun, 0o666)
      assert.match(closed.stderr, /may not open \/dev\/net\/tun: chmod 666.*--network host/)
      assert.deepEqual(connectors(), [])
      assert.deepEqual(readdirSync(join(lab.folder, 'run/engine/namespaces')), [])
      assert.deepEqual(readdirSync(join(lab.folder, 'state/engine/pod-files')), [])
    })

    test('it stays when the agent is killed, and ends when what holds the namespaces is', async () => {
      const port = await freePort()
      const { code, stderr } = await serve('web', '-p', `${port}:80`)
      assert.equal(code, 0, stderr)
      const [connector = 0] = connectors()
      await lab.stopAgent('SIGKILL')
      assert.equal(await read(`http://127.0.0.1:${port}/name`), 'prod/app:1')
      await start()
      assert.deepEqual(connectors(), [connector])
      await end('web')
      assert.deepEqual(connectors(), [])
      assert.equal((await serve('web', '-p', `${port}:80`)).code, 0)
      await lab.stopAgent('SIGKILL')
      endHolder()
      await start()
      assert.deepEqual(connectors(), [])
      assert.equal((await pratique('rm', 'web')).code, 0)
      assert.equal((await serve('web', '-p', `${port}:80`)).code, 0)
      await end('web')
    })

    test('names are resolved by the resolver of the machine, though it listens on the loopback device only', async () => {
      const queries: string[] = []
      const names = createSocket('udp4').on('message', (query, from) => {
        queries.push(query.toString('latin1'))
        names.send(answer(query), from.port, from.address)
      })
      await new Promise<void>((resolve) => names.bind(53, '127.0.0.77', resolve))
      await lab.stopAgent()
      await startWith('/etc/resolv.conf', 'nameserver 127.0.0.77\n')
      const told = await pratique('run', '--rm', image, 'busybox', 'nslookup', 'ship.example')
      names.close()
      assert.match(told.stdout, /203\.0\.113\.7/, told.stderr)
      assert.match(queries.join(), /ship.example/)
    })
  })

  test('the agent is killed and comes back to what runs', async () => {
    const { code, stderr } = await pratique(
      'run',
      '-d',
      '--name',
      'long',
      '--network',
      'none',
      image,
      'sleep',
      '4242',
    )
    assert.equal(code, 0, stderr)
    const before = holder()
    await lab.stopAgent('SIGKILL')
    await start()
    assert.equal(holder(), before)
    const inside = await pratique('exec', 'long', 'sh', '-c', 'echo still here; exit 3')
    assert.deepEqual([inside.code, inside.stdout], [3, 'still here\n'])
    const stats = JSON.parse((await pratique('--json', 'ps')).stdout) as { state: string }[]
    assert.deepEqual(
      stats.map(({ state }) => state),
      ['running'],
    )
  })

  test('when what holds its namespaces is killed, what ran is ended and told, and nothing is left', async () => {
    assert.equal(sleepers().length, 1)
    await lab.stopAgent('SIGKILL')
    endHolder()
    await start()
    assert.deepEqual(sleepers(), [])
    assert.match((await pratique('ps', '--all')).stdout, /long .* exited/)
    assert.equal((await pratique('rm', 'long')).code, 0)
    assert.equal((await run(image, 'true')).code, 0)
    for (const folder of ['state/engine/bundles', 'state/engine/snapshots/mounts', 'run/engine/namespaces']) {
      assert.deepEqual(readdirSync(join(lab.folder, folder)), [], folder)
    }
  })

  test('with subordinate ids images have several users, and files are theirs', async () => {
    await lab.stopAgent()
    await startWith('/etc/subuid', 'nobody:200000:65536\n', '/etc/subgid')
    const name = (
      await lab.push('prod/users:1', { files: { 'app/mine': { content: 'x', uid: 1000, gid: 1000 } } })
    ).reference
    const told = await run(
      '--user',
      'app',
      name,
      '/bin/sh',
      '-c',
      'id; ls -ln /app/mine; touch /app/mine && echo may',
    )
    assert.equal(told.code, 0, told.stderr)
    assert.match(told.stdout, /^uid=1000\(app\) gid=1000 groups=1000\n\S+ +1 1000 +1000 .*\nmay\n$/)
  })
})

/** The address of the machine by which it reaches others. */
function ownAddress(): string {
  const route = execFileSync('ip', ['-json', 'route', 'get', '203.0.113.1'], { encoding: 'utf8' })
  return (JSON.parse(route) as { prefsrc: string }[])[0]?.prefsrc ?? ''
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** What a server says once it does: its port is open before it is. */
async function read(url: string): Promise<string> {
  const until = Date.now() + 10_000
  for (;;) {
    try {
      return await (await fetch(url, { signal: AbortSignal.timeout(2_000) })).text()
    } catch (error) {
      if (Date.now() > until) throw error
    }
  }
}

/** Asks by UDP until there is an answer. */
function ask(host: string, port: number): Promise<string> {
  const socket = createSocket('udp4')
  const again = setInterval(() => socket.send('a question', port, host), 200)
  return new Promise<string>((resolve, reject) => {
    socket.once('message', (text) => resolve(text.toString()))
    setTimeout(() => reject(new Error('nobody answers')), 15_000).unref()
  }).finally(() => {
    clearInterval(again)
    socket.close()
  })
}

/** That a name has the address 203.0.113.7, and none of IPv6 (RFC 1035, 4.1). */
function answer(query: Buffer): Buffer {
  const isAddress = query.readUInt16BE(query.length - 4) === 1
  const header = Buffer.from([...query.subarray(0, 2), 0x81, 0x80, 0, 1, 0, isAddress ? 1 : 0, 0, 0, 0, 0])
  const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 7]
  return Buffer.concat([header, query.subarray(12), Buffer.from(isAddress ? record : [])])
}

/** Processes of the account that run and begin so. */
function processesOf(command: string): number[] {
  return execFileSync('ps', ['-eo', 'pid,stat,user:20,args'], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => /^ *\d+ [^Z]\S* +nobody +/.test(line) && line.includes(command))
    .map((line) => Number.parseInt(line, 10))
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0) && !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
