import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { buildImage, type BuiltImage } from '../../../test/fixtures/build-image.ts'
import { wasmArtifact as artifactOf } from '../../../test/fixtures/wasm-artifact.ts'
import { PlainRegistry } from '../../../test/fixtures/plain-registry.ts'
import {
  growModule,
  loopModule,
  makeModule,
  openModule,
  readModule,
  talkModule,
  trapModule,
  twoMemoriesModule,
} from '../../../test/fixtures/wasm-modules.ts'
import { digestOf } from '../../kernel/digest.ts'
import { openLog } from '../../kernel/log.ts'
import type { Backend } from '../cri/backend.ts'
import type { ContainerConfig, ContainerStatus, CriCalls, PodSandboxConfig } from '../cri/cri-types.ts'
import { decode, encode, getCall, type CallName, type Loose } from '../cri/protocol.ts'
import { openWasm } from './open-wasm.ts'

const waitMs = 30_000
const folder = mkdtempSync(join(tmpdir(), 'pratique-wasm-'))
let registry: PlainRegistry
let wasm: Backend

const open = (): Promise<Backend> =>
  openWasm({
    name: 'wasm',
    stateFolder: join(folder, 'state'),
    runFolder: join(folder, 'run'),
    memoryBytes: 16 << 20,
    clock: { now: Date.now },
    log: openLog('silent'),
    version: '1',
  })

before(async () => {
  registry = await new PlainRegistry().start()
  wasm = await open()
})
after(async () => {
  for (const { id } of (await call('ListPodSandbox')).items)
    await call('RemovePodSandbox', { podSandboxId: id })
  await wasm.close()
  await registry.stop()
  rmSync(folder, { recursive: true, force: true })
})

async function call<Name extends CallName>(
  name: Name,
  request: Loose<CriCalls[Name]['request']> = {} as never,
): Promise<CriCalls[Name]['response']> {
  const { requestType, responseType } = getCall(name)
  const context = { signal: new AbortController().signal }
  return decode(responseType, await wasm.call(name, encode(requestType, request as never), context))
}

async function pull(image: BuiltImage): Promise<string> {
  registry.add(image, image.digest)
  const auth = { username: 'user', password: 'secret' }
  return (await call('PullImage', { image: { image: `${registry.host}/app@${image.digest}` }, auth }))
    .imageRef
}

async function create(
  image: BuiltImage,
  config: Loose<ContainerConfig> = {},
  pod: Loose<PodSandboxConfig> = {},
) {
  const imageRef = await pull(image)
  const { podSandboxId } = await call('RunPodSandbox', {
    config: { metadata: { name: 'p' }, logDirectory: join(folder, 'logs'), ...pod },
  })
  const { containerId } = await call('CreateContainer', {
    podSandboxId,
    config: {
      metadata: { name: 'c' },
      image: { image: imageRef },
      logPath: `${podSandboxId}.log`,
      ...config,
    },
  })
  return { podSandboxId, containerId, log: join(folder, 'logs', `${podSandboxId}.log`) }
}

async function start(...args: Parameters<typeof create>) {
  const created = await create(...args)
  await call('StartContainer', { containerId: created.containerId })
  return created
}

async function ended(containerId: string): Promise<ContainerStatus> {
  const deadline = performance.now() + waitMs
  for (;;) {
    const { status } = await call('ContainerStatus', { containerId })
    if (status?.state === 'CONTAINER_EXITED') return status
    assert.ok(performance.now() < deadline, 'the module has not ended')
    await pause(20)
  }
}

const outputOf = (log: string, stream: string): string =>
  readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${stream} `))
    .map((line) => line.replace(/^\S+ \S+ [FP] /, ''))
    .join('\n')

describe('a module', () => {
  test('gets its arguments and its own environment only, and its exit code is that of the container', async () => {
    const { containerId, log } = await start(artifactOf(talkModule.bytes), {
      args: ['one', 'two'],
      envs: [{ key: 'GREETING', value: Buffer.from('ahoy') }],
    })
    assert.equal((await ended(containerId)).exitCode, 7)
    assert.equal(outputOf(log, 'stdout'), 'module.wasm\0one\0two\0')
    assert.equal(outputOf(log, 'stderr'), 'GREETING=ahoy\0')
  })

  test('of an image is the file that its entry point names', async () => {
    const image = await buildImage({
      layers: [{ 'app/talk.wasm': talkModule.bytes }],
      architecture: 'wasm',
      config: { Entrypoint: ['/app/talk.wasm'], Cmd: ['from', 'image'], Env: ['A=b'] },
    })
    const { containerId, log } = await start(image)
    assert.equal((await ended(containerId)).exitCode, 7)
    assert.equal(outputOf(log, 'stdout'), '/app/talk.wasm\0from\0image\0')
    assert.equal(outputOf(log, 'stderr'), 'A=b\0')
  })

  test('sees the folders that it was given, and no way out of them', async () => {
    mkdirSync(join(folder, 'data'), { recursive: true })
    writeFileSync(join(folder, 'data/note'), 'what is in the note')
    const { containerId, log } = await start(artifactOf(readModule.bytes), {
      mounts: [{ containerPath: '/data', hostPath: join(folder, 'data') }],
    })
    assert.equal((await ended(containerId)).exitCode, 0)
    assert.equal(outputOf(log, 'stdout'), 'what is in the note')
  })

  test('of an image is not led out of its files by links of the image', async () => {
    writeFileSync(join(folder, 'secret'), 'secret')
    const links = {
      far: { type: 'symlink', linkname: folder },
      near: { type: 'symlink', linkname: '/etc' },
      out: { type: 'symlink', linkname: `${'../'.repeat(30)}${folder.slice(1)}` },
    } as const
    const image = await buildImage({
      layers: [{ 'app/open.wasm': openModule.bytes, 'etc/note': 'of the image' }, links],
      architecture: 'wasm',
      config: { Entrypoint: ['/app/open.wasm'] },
    })
    for (const [path, exitCode, printed] of [
      ['near/note', 0, 'of the image'],
      ['far/secret', 44, ''],
      ['out/secret', 76, ''],
      ['near/passwd', 44, ''],
    ] as const) {
      const { containerId, log } = await start(image, { args: [path] })
      assert.equal((await ended(containerId)).exitCode, exitCode, path)
      assert.equal(existsSync(log) ? outputOf(log, 'stdout') : '', printed)
    }
  })

  test('writes to no file that it may only read: it has copies', async () => {
    const { containerId } = await create(artifactOf(readModule.bytes), {
      mounts: [{ containerPath: '/data', hostPath: join(folder, 'data'), readonly: true }],
    })
    const copy = join(folder, 'state/bundles', containerId, 'folders/0/note')
    writeFileSync(copy, 'changed')
    assert.equal(readFileSync(join(folder, 'data/note'), 'utf8'), 'what is in the note')
    await assert.rejects(
      create(artifactOf(readModule.bytes), { mounts: [{ containerPath: '/x', hostPath: '/nowhere' }] }),
      { code: 'FAILED_PRECONDITION', message: /\/nowhere/ },
    )
  })

  test('reads a volume as kubelets make them, whose files are links to links, and nothing that links lead out to', async () => {
    const volume = join(folder, 'volume')
    mkdirSync(join(volume, '..2026'), { recursive: true })
    writeFileSync(join(volume, '..2026/note'), 'configured')
    writeFileSync(join(folder, 'secret'), 'secret')
    symlinkSync('..2026', join(volume, '..data'))
    symlinkSync('..data/note', join(volume, 'note'))
    symlinkSync(join(folder, 'secret'), join(volume, 'far'))
    symlinkSync('../secret', join(volume, 'near'))
    symlinkSync('nowhere', join(volume, 'dangling'))
    for (const readonly of [true, false]) {
      const mounts = [{ containerPath: '/etc/app', hostPath: volume, readonly }]
      for (const [path, exitCode] of [
        ['note', 0],
        ['far', 76],
        ['near', 76],
        ['dangling', 44],
      ] as const) {
        const { containerId, log } = await start(artifactOf(openModule.bytes), { args: [path], mounts })
        assert.equal((await ended(containerId)).exitCode, exitCode, path)
        if (exitCode === 0) assert.equal(outputOf(log, 'stdout'), 'configured')
      }
    }
  })

  test('of an image writes to none of its files when the pod says so', async () => {
    const image = await buildImage({
      layers: [{ 'app/make.wasm': makeModule.bytes }],
      architecture: 'wasm',
      config: { Entrypoint: ['/app/make.wasm'] },
    })
    const exitCodeOf = async (readonlyRootfs: boolean): Promise<number> => {
      const { containerId } = await start(image, { linux: { securityContext: { readonlyRootfs } } })
      return (await ended(containerId)).exitCode
    }
    assert.deepEqual([await exitCodeOf(false), await exitCodeOf(true)], [0, 69])
  })

  test('runs as no other user than that of the agent, and that is said', async () => {
    const uid = process.getuid?.() ?? 0
    const asked = { linux: { securityContext: { runAsUser: { value: uid + 1 } } } }
    await assert.rejects(create(artifactOf(talkModule.bytes), asked), {
      code: 'FAILED_PRECONDITION',
      message: /by the account of the agent/,
    })
    await create(artifactOf(talkModule.bytes), { linux: { securityContext: { runAsUser: { value: uid } } } })
  })

  test('gets no more memory than it may have', async () => {
    const { containerId } = await start(artifactOf(growModule.bytes))
    assert.equal((await ended(containerId)).exitCode, 9)
    // The same module with room for all that it wants comes to its other end.
    const roomy = await start(artifactOf(growModule.bytes), {
      linux: { resources: { memoryLimitInBytes: 2 * 1024 ** 3 } },
    })
    assert.equal((await ended(roomy.containerId)).exitCode, 1)
  })

  test('of two pages runs with a limit of little more than that', async () => {
    const { containerId } = await start(artifactOf(talkModule.bytes), {
      linux: { resources: { memoryLimitInBytes: 256 << 10 } },
    })
    assert.equal((await ended(containerId)).exitCode, 7)
  })

  test('that traps says so, with an exit code of its own', async () => {
    const { containerId, log } = await start(artifactOf(trapModule.bytes))
    const { exitCode, reason } = await ended(containerId)
    assert.deepEqual([exitCode, reason], [134, 'Error'])
    assert.match(outputOf(log, 'stderr'), /the module failed: RuntimeError: unreachable/)
  })

  test('that never ends is stopped, or killed when its time is over', async () => {
    const { containerId } = await start(artifactOf(loopModule.bytes))
    await call('StopContainer', { containerId, timeout: 20 })
    assert.equal((await ended(containerId)).exitCode, 143)
    const timed = await start(
      artifactOf(loopModule.bytes),
      {},
      {
        annotations: { 'pratique.dev/wasm-timeout': '0.2' },
      },
    )
    const { exitCode, reason } = await ended(timed.containerId)
    assert.deepEqual([exitCode, reason], [137, 'DeadlineExceeded'])
  })

  test('goes on when the agent ends, and its end is known to the next one', async () => {
    const { containerId } = await start(artifactOf(loopModule.bytes))
    await wasm.close()
    wasm = await open()
    const { status } = await call('ContainerStatus', { containerId })
    assert.equal(status?.state, 'CONTAINER_RUNNING')
    const { stats } = await call('ContainerStats', { containerId })
    assert.ok((stats?.memory?.usageBytes?.value ?? 0) > 0 || !existsSync('/proc'))
    await call('StopContainer', { containerId, timeout: 20 })
    assert.equal((await ended(containerId)).exitCode, 143)
  })

  test('that was started when the agent was killed is found, and stopped', async () => {
    const { containerId } = await start(artifactOf(loopModule.bytes))
    const file = join(folder, 'state/containers', `${containerId}.json`)
    await wasm.close()
    const record = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    // As it is written between the start of the shim and its answer.
    const { pid, startedAt, ...begun } = record
    writeFileSync(file, JSON.stringify({ ...begun, state: 'created' }))
    wasm = await open()
    const { status } = await call('ContainerStatus', { containerId })
    assert.deepEqual([status?.state, status?.message], ['CONTAINER_RUNNING', ''])
    await call('StopContainer', { containerId, timeout: 20 })
    assert.equal((await ended(containerId)).exitCode, 143)
    assert.ok(pid && startedAt)
  })

  test('has no processes and no ports, and that is explained', async () => {
    const { containerId, podSandboxId } = await create(artifactOf(loopModule.bytes))
    for (const asked of [
      call('ExecSync', { containerId, cmd: ['sh'] }),
      call('Exec', { containerId, cmd: ['sh'] }),
      call('PortForward', { podSandboxId, port: [80] }),
    ]) {
      await assert.rejects(asked, { code: 'FAILED_PRECONDITION', message: /no processes/ })
    }
  })
})

for (const [about, bytes, message] of [
  [
    'a component',
    Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]),
    /is a component .* wasmtime or wasmedge/,
  ],
  ['another version', Buffer.from([0, 0x61, 0x73, 0x6d, 9, 0, 0, 0]), /version that is not known/],
  ['no WebAssembly', Buffer.from('#!/bin/sh\necho no'), /is no WebAssembly/],
  ['an empty file', Buffer.of(), /is no WebAssembly/],
  ['a module of two memories', twoMemoriesModule.bytes, /has 2 memories, .* build it with one/],
  [
    'a module of ten thousands of sections',
    Buffer.concat([talkModule.bytes.subarray(0, 8), Buffer.alloc(40_000)]),
    /more sections than are looked through/,
  ],
] as const) {
  test(`${about} is refused before anything is started`, async () => {
    await assert.rejects(create(artifactOf(bytes)), { code: 'FAILED_PRECONDITION', message })
  })
}

test('a module that an older agent has started is stopped', async () => {
  const { podSandboxId, containerId } = await start(artifactOf(loopModule.bytes))
  await wasm.close()
  const file = join(folder, 'state/containers', `${containerId}.json`)
  const { pidStartTime, ...older } = JSON.parse(readFileSync(file, 'utf8')) as { pidStartTime?: string }
  assert.equal(typeof pidStartTime, 'string')
  writeFileSync(file, JSON.stringify(older))
  wasm = await open()
  await call('StopContainer', { containerId, timeout: 0 })
  assert.equal((await ended(containerId)).exitCode, 137)
  await call('RemovePodSandbox', { podSandboxId })
})

test('an artifact has images mounted as any other', async () => {
  const image = await pull(
    await buildImage({ layers: [{ 'data/note': 'of an image' }], architecture: 'wasm' }),
  )
  const { containerId, log } = await start(artifactOf(readModule.bytes), {
    mounts: [{ containerPath: '/data', image: { image }, imageSubPath: 'data', readonly: true }],
  })
  assert.equal((await ended(containerId)).exitCode, 0)
  assert.equal(outputOf(log, 'stdout'), 'of an image')
})

test('a process that has the number of a lost module is left alone', async () => {
  const { podSandboxId, containerId } = await start(artifactOf(loopModule.bytes))
  await wasm.close()
  const file = join(folder, 'state/containers', `${containerId}.json`)
  const record = JSON.parse(readFileSync(file, 'utf8')) as { pid: number; shim: { pid: number } }
  for (const pid of [record.shim.pid, record.pid]) process.kill(pid, 'SIGKILL')
  const innocent = spawn('sleep', ['100'])
  try {
    writeFileSync(file, JSON.stringify({ ...record, pid: innocent.pid }))
    wasm = await open()
    assert.match((await ended(containerId)).message, /was killed/)
    await call('RemovePodSandbox', { podSandboxId })
    assert.deepEqual([innocent.exitCode, innocent.signalCode], [null, null])
    process.kill(innocent.pid ?? 0, 0)
  } finally {
    innocent.kill()
  }
})

test('two artifacts that share a config are two images, whatever was pulled last', async () => {
  for (const shared of [{}, { os: 'wasip1', rootfs: { type: 'layers', diff_ids: [digestOf('any')] } }]) {
    const good = artifactOf(talkModule.bytes, shared)
    const created = await create(good, { logPath: 'shared.log' })
    const other = await pull(artifactOf(trapModule.bytes, shared))
    const named = await pull(good)
    assert.notEqual(other, named)
    await call('StartContainer', { containerId: created.containerId })
    assert.equal((await ended(created.containerId)).exitCode, 7)
    const { containerId } = await start(good)
    assert.equal((await ended(containerId)).exitCode, 7)
  }
})

test('a damaged module fails by itself, and nothing else does', async () => {
  const { containerId, log } = await start(artifactOf(talkModule.bytes.subarray(0, 200)))
  assert.equal((await ended(containerId)).exitCode, 134)
  assert.match(outputOf(log, 'stderr'), /CompileError/)
})

test('what is removed leaves no files', async () => {
  const { podSandboxId, containerId } = await start(artifactOf(talkModule.bytes))
  await ended(containerId)
  await call('RemovePodSandbox', { podSandboxId })
  assert.ok(!existsSync(join(folder, 'state/bundles', containerId)))
  assert.deepEqual((await call('ListContainers', { filter: { id: containerId } })).containers, [])
})
