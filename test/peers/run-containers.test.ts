import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { NodeLab } from '../fixtures/node-lab.ts'
import { runToEnd, type Ran } from '../fixtures/start-product.ts'
import { join } from 'node:path'
import { findPeers, rootSkip } from './peer.ts'

const { skip: missing } = findPeers('runc', 'runsc', 'busybox', 'iptables')
const skip = missing || rootSkip()
const program = join(import.meta.dirname, '../../bin/pratique')

describe('containers without Kubernetes, by the command line', { skip }, () => {
  let lab: NodeLab
  let image: string
  const pratique = (...args: string[]): Promise<Ran> => runToEnd(program, args, lab.environment)

  before(async () => {
    lab = await NodeLab.open()
    image = (await lab.push('prod/app:1')).reference
    await lab.setUp({ backends: [{ kind: 'engine', name: 'engine', cniConfig: join(lab.folder, 'cni') }] })
    await lab.startAgent()
  })
  after(async () => {
    if (skip) return
    await lab.close()
  })

  test('a run pulls with a line a layer, passes output and exit code on, and leaves nothing with --rm', async () => {
    const ran = await pratique(
      'run',
      '--network',
      'none',
      '--rm',
      image,
      'sh',
      '-c',
      'echo out; echo err >&2; exit 3',
    )
    assert.deepEqual([ran.code, ran.stdout], [3, 'out\n'])
    assert.match(ran.stderr, /MiB .* done\n/)
    assert.match(ran.stderr, /^err$/m)
    assert.deepEqual(JSON.parse((await pratique('--json', 'ps', '--all')).stdout), [])
  })

  test('a need is met by the runtime that isolates so well', async () => {
    const strong = await pratique('run', '--network', 'none', '--rm', '--isolation', 'strong', image, 'dmesg')
    assert.match(strong.stdout, /Starting gVisor/)
    const machine = await pratique('run', '--network', 'none', '--isolation', 'virtual-machine', image)
    assert.equal(machine.code, 2)
    assert.match(machine.stderr, /no runtime of this node is isolated by virtual-machine/)
  })

  test('a container that is left running is listed, read, entered, stopped and removed', async () => {
    const begun = await pratique(
      'run',
      '--detach',
      '--network',
      'none',
      '--name',
      'web',
      '--env',
      'A=ahoy',
      image,
      'sh',
      '-c',
      'echo $A; trap "exit 0" TERM; while true; do sleep 0.1; done',
    )
    assert.match(begun.stdout, /^[0-9a-f]{64}\n$/)
    assert.match((await pratique('ps')).stdout, /web +127\.0\.0\.1.* running/)
    assert.equal((await pratique('logs', 'web')).stdout, 'ahoy\n')
    const inside = await pratique('exec', 'web', 'sh', '-c', 'echo in; exit 4')
    assert.deepEqual([inside.code, inside.stdout], [4, 'in\n'])
    assert.match((await pratique('rm', 'web')).stderr, /web runs; stop it first/)
    assert.match(
      (await pratique('run', '--name', 'web', '--network', 'none', image)).stderr,
      /a container web already/,
    )
    assert.match((await pratique('exec', 'wep', 'true')).stderr, /did you mean web/)
    assert.equal((await pratique('stop', '--time', '20', 'web')).stdout, 'web\n')
    assert.match((await pratique('ps', '--all')).stdout, /exited/)
    assert.equal((await pratique('rm', 'web')).stdout, 'web\n')
  })

  test('in the network that the command line writes, ports are published and the outside is reached', async () => {
    mkdirSync(join(lab.folder, 'cni'), { recursive: true })
    const conflist = join(lab.folder, 'cni/50-pratique.conflist')
    const written = await pratique('node', 'network', '--subnet', '10.215.0.0/24', '--out', conflist)
    assert.equal(written.code, 0, written.stderr)
    const taken = await pratique('node', 'network', '--subnet', '127.0.0.0/8')
    assert.equal(taken.code, 2)
    assert.match(taken.stderr, /addresses of lo/)
    const port = await freePort()
    const serve = 'mkdir /www; echo from inside > /www/index.html; busybox httpd -f -p 80 -h /www'
    const begun = await pratique(
      'run',
      '-d',
      '--name',
      'served',
      '-p',
      `${port}:80`,
      image,
      'sh',
      '-c',
      serve,
    )
    assert.equal(begun.code, 0, begun.stderr)
    try {
      let answer = ''
      for (let left = 50; left > 0 && answer === ''; left--) {
        answer = await fetch(`http://127.0.0.1:${port}/`).then(
          (one) => one.text(),
          () => '',
        )
        if (answer === '') await pause(100)
      }
      assert.equal(answer, 'from inside\n')
      const outside = createServer((socket) => socket.end(socket.remoteAddress ?? '')).listen(0, '0.0.0.0')
      await once(outside, 'listening')
      const own = Object.values(networkInterfaces())
        .flat()
        .find((one) => one?.family === 'IPv4' && !one.internal)?.address
      const { port: outsidePort } = outside.address() as AddressInfo
      const script = `busybox nc ${own} ${outsidePort} </dev/null`
      const ran = await pratique('run', '--rm', image, 'sh', '-c', script)
      outside.close()
      assert.match(ran.stdout, /^(::ffff:)?10\.215\.0\.\d+$/, ran.stderr)
    } finally {
      await pratique('rm', '--force', 'served')
      spawnSync('ip', ['link', 'delete', 'pratique0'])
    }
  })

  test('a name that comes again has a log of its own, which goes with the container', async () => {
    const run = () => pratique('run', '--network', 'none', '--name', 'again', image, 'echo', 'once')
    assert.equal((await run()).stdout, 'once\n')
    assert.equal((await pratique('rm', 'again')).stdout, 'again\n')
    assert.equal((await run()).stdout, 'once\n')
    assert.equal((await pratique('logs', 'again')).stdout, 'once\n')
    assert.equal(readdirSync(join(lab.folder, 'run/logs')).length, 1)
    await pratique('rm', 'again')
    assert.deepEqual(readdirSync(join(lab.folder, 'run/logs')), [])
  })

  test('what ends before its terminal is there is shown from its log, with its exit code', async () => {
    for (let round = 0; round < 3; round++) {
      const ran = await pratique(
        'run',
        '-t',
        '--rm',
        '--network',
        'none',
        image,
        'sh',
        '-c',
        'echo soon; exit 6',
      )
      assert.deepEqual([ran.code, ran.stdout.trim()], [6, 'soon'], ran.stderr)
    }
  })

  test('what is not cleared is refused with the policy’s own exit code', async () => {
    const { reference } = await lab.push('prod/unsigned:1', { isSigned: false, files: { u: 'u' } })
    for (const command of [['pull'], ['run', '--network', 'none']]) {
      const refused = await pratique(...command, reference)
      assert.equal(refused.code, 1)
      assert.match(refused.stderr, /not cleared: .*unsigned/)
    }
  })

  test('images are listed and removed, and an agent that is not there is named', async () => {
    await pratique('pull', image)
    assert.match((await pratique('images', '--node')).stdout, /prod\/app:1 +[0-9a-f]{12} +1\.\d MiB/)
    assert.equal((await pratique('rmi', image)).code, 0)
    assert.doesNotMatch((await pratique('images', '--node')).stdout, /prod\/app/)
    const nowhere = await runToEnd(program, ['ps'], { PRATIQUE_NODE_SOCKET: '/nowhere/agent.sock' })
    assert.match(
      nowhere.stderr,
      /no agent answers at \/nowhere\/agent\.sock; start it with: pratique node serve/,
    )
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
