import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { stringify } from 'yaml'
import type { RunningStatement } from '../../src/policy/index.ts'
import { bridgeNetwork, NodeLab } from '../fixtures/node-lab.ts'
import { runToEnd, type Ran } from '../fixtures/start-product.ts'
import { findPeers, rootSkip } from './peer.ts'

const { skip: missing } = findPeers('runc', 'ip', 'busybox')
const skip = missing || rootSkip()
const program = join(import.meta.dirname, '../../bin/pratique')
const bridge = 'prtq-compose'

describe('containers that belong together', { skip }, () => {
  let lab: NodeLab
  let image: string
  let file: string

  before(async () => {
    lab = await NodeLab.open()
    image = (await lab.push('prod/app:1')).reference
    mkdirSync(join(lab.folder, 'cni'))
    writeFileSync(join(lab.folder, 'cni/10.conflist'), JSON.stringify(bridgeNetwork(bridge, '10.214.0.0/24')))
    await lab.setUp({
      backends: [
        { kind: 'engine', name: 'engine', cniConfig: join(lab.folder, 'cni'), cniPlugins: ['/usr/lib/cni'] },
      ],
    })
    await lab.startAgent()
    file = join(lab.folder, 'shop/compose.yaml')
    mkdirSync(join(lab.folder, 'shop/site'), { recursive: true })
    writeFileSync(join(lab.folder, 'shop/site/index.html'), 'from the shop')
    writeFileSync(join(lab.folder, 'shop/web.env'), '# of the shop\nPORT=8080\n')
  })
  after(async () => {
    if (skip) return
    await compose('down', '--time', '1')
    await lab.close()
    execFileSync('sh', ['-c', `ip link delete ${bridge} 2>/dev/null || true`])
  })

  const compose = (...args: string[]): Promise<Ran> =>
    runToEnd(program, ['compose', args[0] ?? '', '--file', file, ...args.slice(1)], {
      ...lab.environment,
      IMAGE: image,
    })
  const write = (services: Readonly<Record<string, object>>): void =>
    writeFileSync(file, stringify({ services }))
  const states = async (): Promise<Record<string, string>> => {
    const { stdout } = await runToEnd(program, ['--json', 'compose', 'ps', '--file', file], {
      ...lab.environment,
      IMAGE: image,
    })
    const found = JSON.parse(stdout) as { service: string; state: string; containerId: string }[]
    return Object.fromEntries(
      found.map(({ service, state, containerId }) => [service, `${state} ${containerId}`]),
    )
  }

  const serve =
    'while true; do { printf "HTTP/1.0 200 OK\\r\\n\\r\\n"; cat /site/index.html; } | nc -l -p $$PORT; done'
  const web = {
    image: '${IMAGE}',
    command: ['sh', '-c', serve],
    env_file: 'web.env',
    volumes: ['./site:/site:ro'],
  }
  const ask = {
    image: '${IMAGE}',
    command: [
      'sh',
      '-c',
      'until wget -q -O - http://web:8080/; do sleep 0.1; done; echo; echo asked; exec sleep 1000',
    ],
    depends_on: ['web'],
  }

  test('find each other by their names, one pod each, and are what the file says', async () => {
    write({ ask, web })
    const up = await compose('up', '--detach')
    assert.equal(up.code, 0, up.stderr)
    assert.match(up.stderr, /web started\nask started\n$/)
    const deadline = performance.now() + 30_000
    let logs = ''
    while (!logs.includes('asked') && performance.now() < deadline)
      logs = (await compose('logs', 'ask')).stdout
    assert.match(logs, /^ask \| from the shop\nask \| asked\n/)
    assert.match((await compose('ps')).stdout, /web +shop-web +\S+prod\/app:1 +running/)
    const hosts = join(lab.folder, 'run/compose/shop/hosts-pod')
    assert.match(readFileSync(hosts, 'utf8'), /10\.214\.0\.\d+ web\n/)
  })

  test('cannot send each other elsewhere: the file with their addresses is read-only', async () => {
    const write = await runToEnd(
      program,
      ['exec', 'shop-ask', 'sh', '-c', 'echo 10.0.0.1 web >> /etc/hosts'],
      lab.environment,
    )
    assert.notEqual(write.code, 0)
    assert.match(write.stderr, /Read-only file system/)
  })

  test('what has changed is made anew, and the rest is left', async () => {
    const before = await states()
    assert.equal((await compose('up', '--detach')).code, 0)
    assert.deepEqual(await states(), before)
    write({ ask: { ...ask, environment: { NEW: 'yes' } }, web })
    assert.equal((await compose('up', '--detach')).code, 0)
    const now = await states()
    assert.equal(now['web'], before['web'])
    assert.notEqual(now['ask'], before['ask'])
    assert.equal((await compose('up', '--detach', '--pull', 'always')).code, 0)
    assert.deepEqual(await states(), now)
  })

  test('what runs is left when the new could not start', async () => {
    const before = await states()
    const changed = { ...web, environment: { NEW: 'yes' } }
    write({ web: changed, ask: { ...ask, mem_limit: '64x' } })
    const wrong = await compose('up', '--detach')
    assert.match(wrong.stderr, /services\.ask: --memory takes/)
    write({ web: changed, ask: { ...ask, runtime: 'runk' } })
    assert.match((await compose('up', '--detach')).stderr, /there is no runtime handler runk/)
    const { reference, image: built } = await lab.push('prod/late:1', { files: { l: 'l' } })
    assert.equal((await runToEnd(program, ['pull', reference], lab.environment)).code, 0)
    const answer = await lab.product.api('POST', '/api/v1/quarantine', {
      image: `prod/late@${built.digest}`,
      reason: 'found to be bad',
    })
    assert.ok(answer.status < 300, JSON.stringify(answer.body))
    write({ web: changed, late: { image: reference }, ask })
    const withdrawn = await compose('up', '--detach')
    assert.equal(withdrawn.code, 1)
    assert.match(withdrawn.stderr, /prod\/late.*quarantined/)
    const askFor = async (running: RunningStatement): Promise<void> => {
      await lab.askOfNodes(running)
      const refreshed = await runToEnd(program, ['node', 'refresh'], lab.environment)
      assert.equal(refreshed.code, 0, refreshed.stderr)
    }
    await askFor({ isolation: 'virtual-machine' })
    for (const more of [{}, { isolation: 'process' }, { runtime: 'runc' }]) {
      write({ web: { ...web, ...more }, ask })
      const isolated = await compose('up', '--detach')
      assert.match(isolated.stderr, /virtual-machine/)
    }
    await askFor({})
    assert.deepEqual(await states(), before)
  })

  test('are seen and read where variables have no values and files are gone', async () => {
    write({ web: { ...web, image: '${NEVER_SET}', env_file: 'gone.env' }, ask })
    assert.match((await compose('ps')).stdout, /web +shop-web .* running/)
    assert.match((await compose('logs', 'ask')).stdout, /^ask \| asked$/m)
  })

  test('are removed with all that was theirs', async () => {
    const down = await compose('down', '--time', '1')
    assert.match(down.stderr, /ask removed\nweb removed\n$/)
    assert.deepEqual(await states(), {})
    assert.ok(!existsSync(join(lab.folder, 'run/compose/shop')))
    assert.deepEqual(readdirSync(join(lab.folder, 'run/logs')), [])
    assert.equal((await compose('down', '--time', '1')).code, 0)
  })

  test('in the foreground show what they print, and end with the exit code of the first that failed', async () => {
    const task = { image: '${IMAGE}', network_mode: 'none' }
    write({
      good: { ...task, command: ['sh', '-c', 'echo well'] },
      bad: { ...task, command: ['sh', '-c', 'echo badly >&2; exit 5'] },
    })
    const { code, stdout, stderr } = await compose('up')
    assert.equal(code, 5)
    assert.equal(stdout, 'good | well\n')
    assert.match(stderr, /^bad {2}\| badly$/m)
    // What an earlier one has printed is not told again.
    assert.equal((await compose('up')).stdout, 'good | well\n')
    await compose('down', '--time', '1')
  })

  test('one that waits for another to end well starts after it, and not when it ends badly', async () => {
    const task = { image: '${IMAGE}', network_mode: 'none' }
    const after = {
      ...task,
      command: ['true'],
      depends_on: { first: { condition: 'service_completed_successfully' } },
    }
    write({ second: after, first: { ...task, command: ['sh', '-c', 'sleep 0.3'] } })
    const { code, stderr } = await compose('up')
    assert.equal(code, 0, stderr)
    await compose('down', '--time', '1')
    write({ second: after, first: { ...task, command: ['sh', '-c', 'echo no good; exit 3'] } })
    const failed = await compose('up')
    assert.equal(failed.code, 2)
    assert.match(failed.stderr, /^first \| no good$/m)
    assert.match(failed.stderr, /first, which second waits for, ended with 3/)
    assert.deepEqual(await states(), {})
  })

  test('a task that has ended badly is done again, and one that has ended well is not', async () => {
    const first = {
      image: '${IMAGE}',
      network_mode: 'none',
      command: ['sh', '-c', 'cat /site/ready'],
      volumes: ['./site:/site:ro'],
    }
    const second = {
      image: '${IMAGE}',
      network_mode: 'none',
      command: ['sleep', '1000'],
      depends_on: { first: { condition: 'service_completed_successfully' } },
    }
    write({ first })
    assert.equal((await compose('up')).code, 1)
    writeFileSync(join(lab.folder, 'shop/site/ready'), 'yes')
    write({ first, second })
    const up = await compose('up', '--detach')
    assert.equal(up.code, 0, up.stderr)
    const { first: done } = await states()
    assert.equal((await compose('up', '--detach')).code, 0)
    assert.equal((await states())['first'], done)
    await compose('down', '--time', '1')
    rmSync(join(lab.folder, 'shop/site/ready'))
  })

  test('an up that is interrupted takes back what it has made; of one that is killed the next does', async () => {
    const waiting = {
      first: { image: '${IMAGE}', network_mode: 'none', command: ['sleep', '1000'] },
      second: {
        image: '${IMAGE}',
        ports: ['127.0.0.1:18231:80'],
        depends_on: { first: { condition: 'service_completed_successfully' } },
      },
    }
    const client = lab.connect()
    const pods = async (): Promise<string[]> =>
      (await client.call('ListPodSandbox')).items.map(({ metadata }) => metadata?.name ?? '').toSorted()
    const end = async (signal: NodeJS.Signals): Promise<void> => {
      write(waiting)
      const child = spawn(program, ['compose', 'up', '--file', file], {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, ...lab.environment, IMAGE: image },
      })
      const ended = new Promise((resolve) => child.once('exit', resolve))
      await new Promise<void>((resolve) => {
        child.stderr.on('data', (text: Buffer) => text.includes('first started') && resolve())
      })
      child.kill(signal)
      await ended
    }
    try {
      await end('SIGINT')
      assert.deepEqual(await pods(), [])
      await end('SIGKILL')
      assert.deepEqual(await pods(), ['shop-first', 'shop-second'])
      const down = await compose('down', '--time', '1')
      assert.match(down.stderr, /second removed\nfirst removed\n$/)
      assert.deepEqual(await pods(), [])
      await end('SIGKILL')
      write({ first: waiting.first })
      assert.equal((await compose('up', '--detach')).code, 0)
      assert.deepEqual(await pods(), ['shop-first'])
    } finally {
      await client.close()
      await compose('down', '--time', '1')
    }
  })

  test('when one image is not cleared, nothing is started', async () => {
    const unsigned = (await lab.push('prod/unsigned:1', { isSigned: false, files: { u: 'u' } })).reference
    write({ web, stranger: { image: unsigned, depends_on: ['web'] } })
    const { code, stderr } = await compose('up', '--detach')
    assert.equal(code, 1)
    assert.match(stderr, /not cleared/)
    assert.deepEqual(await states(), {})
  })
})
