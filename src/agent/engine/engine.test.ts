import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'
import { decode, encode } from '../cri/protocol.ts'
import { capabilitiesOf, readGivable } from './capabilities.ts'
import { cgroupMode } from './cgroups.ts'
import { Cni } from './cni.ts'
import { findUser } from './find-user.ts'
import { isAlive, startTimeOf } from './holder.ts'
import { stopSignalOf } from './runtime-containers.ts'
import { LowLevelRuntime } from './low-level-runtime.ts'
import { Records } from './records.ts'
import { runtimeSpec } from './runtime-spec.ts'
import { FrameReader, frame, frameTypes } from './shim/frames.ts'
import { turnTaker } from './turn-taker.ts'
import type { PodRecord } from './types.ts'

const folder = mkdtempSync(join(tmpdir(), 'pratique-engine-'))
after(() => rmSync(folder, { recursive: true }))

const configOf = (config: object) =>
  decode('ContainerConfig', encode('ContainerConfig', { metadata: { name: 'c' }, ...config }))
const pod = {
  id: 'p',
  handler: 'runc',
  config: decode(
    'PodSandboxConfig',
    encode('PodSandboxConfig', { metadata: { name: 'p' }, hostname: 'web' }),
  ),
  createdAt: 0,
  state: 'ready',
  bootId: 'b',
  network: 'none',
  addresses: [],
} as PodRecord

interface Spec {
  readonly process: {
    readonly args: string[]
    readonly env: string[]
    readonly user: { readonly uid: number; readonly additionalGids: number[] }
    readonly capabilities: { readonly bounding: string[]; readonly effective: string[] }
  }
  readonly linux: {
    readonly namespaces: { readonly type: string; readonly path?: string }[]
    readonly seccomp?: { readonly defaultAction: string }
    readonly resources: { readonly memory?: { readonly limit: number } }
  }
  readonly mounts: { readonly destination: string; readonly options: string[] }[]
}

function specOf(config: object, image: object = {}): Spec {
  return runtimeSpec({
    id: 'c',
    pod,
    config: configOf(config),
    image: { config: { Entrypoint: ['/entry'], Cmd: ['default'], Env: ['A=image', 'B=image'], ...image } },
    root: folder,
    namespaces: { network: '/ns/net', ipc: '/ns/ipc', uts: '/ns/uts', pid: undefined },
    podFiles: { '/etc/hosts': '/pod/hosts' },
    hasRecursiveReadOnly: true,
    cgroupPath: '/pratique/p/c',
  }) as Spec
}

describe('what a container is made of', () => {
  test('commands and arguments take the place of those of the image as Kubernetes has it', () => {
    for (const [config, expected] of [
      [{}, ['/entry', 'default']],
      [{ args: ['mine'] }, ['/entry', 'mine']],
      [{ command: ['/own'] }, ['/own']],
      [{ command: ['/own'], args: ['mine'] }, ['/own', 'mine']],
    ] as const) {
      assert.deepEqual(specOf(config).process.args, expected)
    }
    assert.throws(() => specOf({}, { Entrypoint: [], Cmd: [] }), { code: 'FAILED_PRECONDITION' })
  })

  test('later variables win, and namespaces are the pod’s', () => {
    const spec = specOf({ envs: [{ key: 'B', value: Buffer.from('mine') }] })
    assert.ok(spec.process.env.includes('A=image') && spec.process.env.includes('B=mine'))
    assert.ok(!spec.process.env.includes('B=image'))
    const paths = Object.fromEntries(spec.linux.namespaces.map(({ type, path }) => [type, path]))
    assert.deepEqual(paths, {
      mount: undefined,
      network: '/ns/net',
      ipc: '/ns/ipc',
      uts: '/ns/uts',
      pid: undefined,
    })
  })

  test('what asks for nothing gets the default profile and few rights, and a user who is not root holds none', () => {
    const spec = specOf({ linux: { securityContext: { runAsUser: { value: 7 } } } })
    assert.equal(spec.linux.seccomp?.defaultAction, 'SCMP_ACT_ERRNO')
    assert.deepEqual(spec.process.capabilities.effective, [])
    assert.ok(!spec.process.capabilities.bounding.includes('CAP_SYS_ADMIN'))
    const privileged = specOf({ linux: { securityContext: { privileged: true } } })
    assert.equal(privileged.linux.seccomp, undefined)
    assert.ok(privileged.process.capabilities.effective.includes('CAP_SYS_ADMIN'))
  })

  test('a mount that is asked for takes the place of a file of the pod', () => {
    mkdirSync(join(folder, 'own'), { recursive: true })
    const { mounts } = specOf({
      mounts: [{ containerPath: '/etc/hosts', hostPath: join(folder, 'own'), readonly: true }],
    })
    const found = mounts.filter(({ destination }) => destination === '/etc/hosts')
    assert.equal(found.length, 1)
    assert.ok(found[0]?.options.includes('ro'))
  })

  test('capabilities are added and dropped by name, and what is dropped stays so', () => {
    const asked = (add: string[], drop: string[]) =>
      capabilitiesOf({ addCapabilities: add, dropCapabilities: drop, addAmbientCapabilities: [] }, false)
    assert.deepEqual(asked([], ['ALL']), [])
    assert.deepEqual(asked(['NET_ADMIN'], ['ALL']), ['CAP_NET_ADMIN'])
    assert.ok(asked(['ALL'], ['cap_sys_admin']).length > 30)
    assert.ok(!asked(['ALL', 'SYS_ADMIN'], ['SYS_ADMIN']).includes('CAP_SYS_ADMIN'))
  })

  test('what the agent itself does not have it cannot give', () => {
    const [all, without] = ['ffffffffffffffff', '000001fffeffffff'].map((bits) =>
      readGivable(`CapEff:\t0000000000000000\nCapBnd:\t${bits}\n`),
    )
    assert.deepEqual(
      all?.filter((name) => !without?.includes(name)),
      ['CAP_SYS_RESOURCE'],
    )
  })
})

describe('users', () => {
  const root = join(folder, 'root')
  mkdirSync(join(root, 'etc'), { recursive: true })
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\nbroken\n',
  )
  writeFileSync(join(root, 'etc/group'), 'app:x:1001:\nextra:x:2000:other,app\n')

  test('are found by name and number in the image, with their groups', () => {
    assert.deepEqual(findUser(root, 'app'), {
      uid: 1000,
      gid: 1001,
      additionalGids: [2000],
      home: '/home/app',
    })
    assert.equal(findUser(root, '1000').gid, 1001)
    assert.deepEqual(findUser(root, 'app:77'), {
      uid: 1000,
      gid: 77,
      additionalGids: [2000],
      home: '/home/app',
    })
    assert.deepEqual(findUser(root, '77:extra'), { uid: 77, gid: 2000, additionalGids: [], home: '/' })
    assert.equal(findUser(root, '').uid, 0)
    for (const wanted of ['nobody', 'app:nogroup']) {
      assert.throws(() => findUser(root, wanted), { code: 'FAILED_PRECONDITION' })
    }
  })

  test('are never those of the machine, whatever the image links to', () => {
    const evil = join(folder, 'evil')
    mkdirSync(join(evil, 'etc'), { recursive: true })
    symlinkSync('/etc/passwd', join(evil, 'etc/passwd'))
    assert.throws(() => findUser(evil, 'root-of-the-machine'), { code: 'FAILED_PRECONDITION' })
    assert.throws(() => findUser(evil, 'daemon'), { code: 'FAILED_PRECONDITION' })
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, wanted) => {
        writeFileSync(join(root, 'etc/group'), text)
        try {
          assert.ok(findUser(root, wanted).uid >= 0)
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'FAILED_PRECONDITION')
        }
      }),
    )
  })
})

describe('networks', () => {
  const plugins = join(folder, 'plugins')
  const configs = join(folder, 'net.d')
  const log = join(folder, 'cni.log')
  mkdirSync(plugins)
  mkdirSync(configs)
  const plugin = (name: string, body: string): void => {
    writeFileSync(
      join(plugins, name),
      `#!/bin/sh\nread input\necho "$CNI_COMMAND ${name} $input" >>${log}\n${body}\n`,
    )
    chmodSync(join(plugins, name), 0o755)
  }
  plugin('one', `echo '{"cniVersion":"1.0.0","ips":[{"address":"10.1.2.3/24"}]}'`)
  plugin('two', `echo '{"cniVersion":"1.0.0","ips":[{"address":"10.1.2.3/24"}]}'`)
  plugin('bad', `[ $CNI_COMMAND = DEL ] && exit 0; echo '{"code":11,"msg":"no address is left"}'; exit 1`)
  const cni = new Cni({ configFolder: configs, pluginFolders: [plugins] })
  const attachment = {
    podId: 'p',
    namespace: 'n',
    name: 'web',
    uid: 'u',
    networkNamespace: '/ns/net',
    portMappings: [{ protocol: 'TCP' as const, containerPort: 80, hostPort: 8080, hostIp: '' }],
  }
  const configure = (...names: string[]): void =>
    writeFileSync(
      join(configs, '10.conflist'),
      JSON.stringify({
        cniVersion: '1.0.0',
        name: 'net',
        plugins: names.map((type) => ({ type, capabilities: { portMappings: type === 'two' } })),
      }),
    )

  test('plugins are called one after the other, with what they can take, and backwards to undo', async () => {
    configure('one', 'two')
    const attached = await cni.add(attachment)
    assert.deepEqual(attached.addresses, ['10.1.2.3'])
    await cni.remove(attachment, attached)
    const calls = readFileSync(log, 'utf8').trim().split('\n')
    assert.deepEqual(
      calls.map((line) => line.split(' ').slice(0, 2).join(' ')),
      ['ADD one', 'ADD two', 'DEL two', 'DEL one'],
    )
    assert.match(calls[1] ?? '', /"hostPort":8080.*|"prevResult"/)
    assert.ok(calls[1]?.includes('"prevResult"') && calls[1].includes('"hostPort":8080'))
    assert.ok(!calls[0]?.includes('hostPort'))
  })

  test('a plugin that fails says why, and what came before it is undone', async () => {
    configure('one', 'bad')
    rmSync(log)
    await assert.rejects(cni.add(attachment), {
      code: 'FAILED_PRECONDITION',
      message: /bad failed: no address is left/,
    })
    assert.match(readFileSync(log, 'utf8'), /DEL one/)
    configure('missing')
    await assert.rejects(cni.add(attachment), { message: /containernetworking-plugins/ })
    configure('../../bin/sh')
    await assert.rejects(cni.add(attachment), { message: /no name of a plugin/ })
  })
})

describe('what is kept', () => {
  test('records survive, half written ones are dropped, and ids are found by their beginning', () => {
    const place = join(folder, 'records')
    const records = new Records<{ id: string; n: number }>(place, 'pod')
    records.save({ id: 'aaaa1', n: 1 })
    records.save({ id: 'aaaa2', n: 2 })
    writeFileSync(join(place, 'bbbb.json'), '{"id":"bb')
    writeFileSync(join(place, 'cccc.json.new'), '{}')
    const again = new Records<{ id: string; n: number }>(place, 'pod')
    assert.equal(again.list().length, 2)
    assert.equal(again.find('aaaa2')?.n, 2)
    assert.throws(() => again.find('aaaa'), { code: 'INVALID_ARGUMENT' })
    assert.throws(() => again.get('zzzz'), { code: 'NOT_FOUND' })
    again.remove('aaaa1')
    assert.equal(again.find('aaaa')?.n, 2)
    assert.ok(!existsSync(join(place, 'cccc.json.new')))
  })

  test('frames come out as they went in, in whatever pieces', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 50 })),
        fc.integer({ min: 1, max: 9 }),
        (contents, size) => {
          const bytes = Buffer.concat(contents.map((one) => frame(frameTypes.stdout, one)))
          const reader = new FrameReader()
          const got: Buffer[] = []
          for (let at = 0; at < bytes.length; at += size) {
            for (const { content } of reader.read(bytes.subarray(at, at + size)))
              got.push(Buffer.from(content))
          }
          assert.deepEqual(
            got,
            contents.map((one) => Buffer.from(one)),
          )
        },
      ),
    )
    assert.throws(() => [...new FrameReader().read(Buffer.from([1, 255, 255, 255, 255]))], /too large/)
  })

  test('a signal that stops is one that every runtime knows', () => {
    for (const [asked, ofImage, expected] of [
      ['RUNTIME_DEFAULT', undefined, 'TERM'],
      ['RUNTIME_DEFAULT', 'SIGQUIT', 'QUIT'],
      ['RUNTIME_DEFAULT', 'INT', 'INT'],
      ['RUNTIME_DEFAULT', 'SIGRTMIN+3', '37'],
      ['RUNTIME_DEFAULT', 'RTMAX-1', '63'],
      ['RUNTIME_DEFAULT', '9', '9'],
      ['RUNTIME_DEFAULT', '0', 'TERM'],
      ['RUNTIME_DEFAULT', '--all', 'TERM'],
      ['RUNTIME_DEFAULT', 'FOO', 'TERM'],
      ['SIGHUP', 'SIGQUIT', 'HUP'],
      ['SIGRTMINPLUS15', undefined, '49'],
      ['SIGRTMAX', undefined, '64'],
    ] as const) {
      assert.equal(stopSignalOf({ stopSignal: asked }, ofImage), expected, `${asked} ${ofImage}`)
    }
  })

  test('a process is told from another of its number, where the machine says when each started', () => {
    const startTime = startTimeOf(process.pid) ?? ''
    const { pid: gone } = spawnSync('true')
    assert.ok(isAlive({ pid: process.pid, startTime }))
    assert.equal(isAlive({ pid: process.pid, startTime: '' }), startTime === '')
    if (startTime !== '') assert.ok(!isAlive({ pid: process.pid, startTime: `${startTime}1` }))
    for (const pid of [gone, 0]) assert.ok(!isAlive({ pid, startTime: '' }))
  })

  test('calls about one thing come one after another, and a failure holds up nothing', async () => {
    const inTurn = turnTaker()
    const seen: number[] = []
    const work = (number: number, fails = false) =>
      inTurn('id', async () => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        seen.push(number)
        if (fails) throw new Error('no')
      })
    await Promise.allSettled([work(1), work(2, true), work(3)])
    assert.deepEqual(seen, [1, 2, 3])
  })
})

describe('low-level runtimes', () => {
  test('control groups are told apart by their mounts', () => {
    const v1 = '1 2 0:1 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu'
    const v2 = '1 2 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw'
    const unified = '1 2 0:1 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw'
    for (const [mounts, mode] of [
      [v1, 'v1'],
      [v2, 'v2'],
      [`${v1}\n${unified}`, 'hybrid'],
      ['1 2 0:1 / /proc rw - proc proc rw', 'none'],
    ] as const) {
      assert.equal(cgroupMode(mounts), mode)
    }
  })

  test('each gets the options that it needs, and limits only where they hold', () => {
    const line = (kind: 'runc' | 'crun' | 'runsc', mode: 'v2' | 'hybrid') => {
      const runtime = new LowLevelRuntime({ handler: kind, kind, program: `/bin/${kind}` }, '/run', mode)
      const { program, arguments: argv } = runtime.commandLine({ network: 'none' }, '/log', 'run', 'x')
      return { text: [program, ...argv].join(' '), hasLimits: runtime.hasLimits }
    }
    assert.match(
      line('runc', 'v2').text,
      /^\/bin\/runc --root \/run\/runtimes\/runc --log \/log --log-format json run x$/,
    )
    assert.match(line('runsc', 'v2').text, /--network=none/)
    assert.match(line('crun', 'hybrid').text, /^unshare .*cgroup2.* \/bin\/crun .*--cgroup-manager=disabled/)
    assert.deepEqual(
      [line('crun', 'v2'), line('crun', 'hybrid'), line('runc', 'hybrid')].map(({ hasLimits }) => hasLimits),
      [true, false, true],
    )
  })
})
