import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { nobody, NodeLab, type NodeAccount } from '../fixtures/node-lab.ts'
import { runToEnd, type Ran } from '../fixtures/start-product.ts'
import { findPeers, rootSkip } from './peer.ts'

const { skip: missing, paths } = findPeers('runc', 'runsc', 'setpriv', 'unshare', 'newuidmap', 'busybox')
const skip = missing || rootSkip()
const program = join(import.meta.dirname, '../../bin/pratique')

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
    const joined = await pratique('run', '--rm', image, 'true')
    assert.match(joined.stderr, /cannot join pods to a network.*--network host/)
    assert.equal((await pratique('run', '--rm', '--network', 'host', image, 'true')).code, 0)
  })

  test('a second agent is refused, and takes nothing from the first', async () => {
    const before = holder()
    const second = await pratique('node', 'serve', '--config', lab.configPath)
    assert.notEqual(second.code, 0)
    assert.match(second.stderr, /serves \S+ already/)
    assert.equal(holder(), before)
    assert.equal((await run(image, 'true')).code, 0)
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
    // Nothing runs, so it comes back to new namespaces.
    const ids = join(home, 'subid')
    writeFileSync(ids, 'nobody:200000:65536\n')
    const script = `mount --bind ${ids} /etc/subuid && mount --bind ${ids} /etc/subgid && exec "$@"`
    await start({
      id: nobody.id,
      prefix: ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', ...nobody.prefix],
    })
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

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0) && !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}
