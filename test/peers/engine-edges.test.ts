import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Backend } from '../../src/agent/cri/backend.ts'
import type { CriCalls } from '../../src/agent/cri/cri-types.ts'
import { decode, encode, getCall, type CallName, type Loose } from '../../src/agent/cri/protocol.ts'
import { openEngine } from '../../src/agent/engine/open-engine.ts'
import type { EngineRuntime } from '../../src/agent/engine/types.ts'
import { openLog } from '../../src/kernel/log.ts'
import { buildImage } from '../fixtures/build-image.ts'
import { PlainRegistry } from '../fixtures/plain-registry.ts'
import { findPeers, rootSkip } from './peer.ts'

const { skip: missing, paths } = findPeers('runc', 'runsc', 'busybox')
const skip = missing || rootSkip()
const waitMs = 30_000

describe('the edges of the embedded engine', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-edges-'))
  const pluginLog = join(folder, 'plugin.log')
  const networkAnnotation = { 'pratique.dev/network': 'none' }
  let registry: PlainRegistry
  let engine: Backend
  let image: string

  const both: readonly EngineRuntime[] = [
    { handler: 'runc', kind: 'runc', program: paths.runc },
    { handler: 'runsc', kind: 'runsc', program: paths.runsc },
  ]
  const open = (runtimes = both): Promise<Backend> =>
    openEngine({
      name: 'engine',
      stateFolder: join(folder, 'state'),
      runFolder: join(folder, 'run'),
      runtimes,
      cni: { configFolder: join(folder, 'cni'), pluginFolders: [join(folder, 'plugins')] },
      clock: { now: Date.now },
      log: openLog('silent'),
      version: '0',
    })

  before(async () => {
    registry = await new PlainRegistry().start()
    const links = ['sh', 'sleep', 'cat', 'echo', 'touch', 'readlink'].map(
      (link) => [`bin/${link}`, { type: 'symlink' as const, linkname: 'busybox' }] as const,
    )
    const built = await buildImage({
      layers: [
        {
          'bin/busybox': { mode: 0o755, content: readFileSync('/bin/busybox') },
          ...Object.fromEntries(links),
        },
      ],
      config: { Env: ['PATH=/bin'] },
    })
    registry.add(built, built.digest)
    for (const name of ['cni', 'plugins']) mkdirSync(join(folder, name))
    const result = '{"cniVersion":"1.0.0","ips":[{"address":"10.9.8.7/24"}]}'
    writeFileSync(
      join(folder, 'plugins/fake'),
      `#!/bin/sh\ncat >/dev/null\necho "$CNI_COMMAND $CNI_CONTAINERID" >>${pluginLog}\necho '${result}'\n`,
    )
    chmodSync(join(folder, 'plugins/fake'), 0o755)
    writeFileSync(
      join(folder, 'cni/10.conflist'),
      JSON.stringify({ cniVersion: '1.0.0', name: 'net', plugins: [{ type: 'fake' }] }),
    )
    engine = await open()
    const asked = {
      image: { image: `${registry.host}/app@${built.digest}` },
      auth: { username: 'user', password: 'secret' },
    }
    image = (await call('PullImage', asked)).imageRef
  })
  after(async () => {
    if (skip) return
    for (const { id } of (await call('ListPodSandbox', {})).items) {
      await call('RemovePodSandbox', { podSandboxId: id })
    }
    await engine.close()
    await registry.stop()
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    assert.ok(!mounts.includes(folder), 'something stays mounted')
    rmSync(folder, { recursive: true })
  })

  async function call<Name extends CallName>(
    name: Name,
    request: Loose<CriCalls[Name]['request']>,
  ): Promise<CriCalls[Name]['response']> {
    const { requestType, responseType } = getCall(name)
    const context = { signal: new AbortController().signal }
    const answer = await engine.call(name, encode(requestType, request as never), context)
    return decode(responseType, answer)
  }

  async function makePod(config: object = {}, runtimeHandler = 'runc'): Promise<string> {
    const metadata = { name: 'pod', uid: crypto.randomUUID(), namespace: 'test' }
    const request = { runtimeHandler, config: { metadata, annotations: networkAnnotation, ...config } }
    return (await call('RunPodSandbox', request)).podSandboxId
  }

  async function make(podSandboxId: string, command: readonly string[], more: object = {}): Promise<string> {
    const config = { metadata: { name: 'c' }, image: { image }, command, ...more }
    return (await call('CreateContainer', { podSandboxId, config })).containerId
  }

  async function start(command: readonly string[], runtimeHandler = 'runc') {
    const podSandboxId = await makePod({}, runtimeHandler)
    const containerId = await make(podSandboxId, command)
    await call('StartContainer', { containerId })
    return { podSandboxId, containerId }
  }

  async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + waitMs
    while (!(await isSo())) {
      assert.ok(performance.now() < deadline, what)
      await pause(50)
    }
  }

  const remove = (podSandboxId: string) => call('RemovePodSandbox', { podSandboxId })

  test('a command in gVisor that is late is killed', { timeout: 60_000 }, async () => {
    const { podSandboxId, containerId } = await start(['sleep', '1000'], 'runsc')
    await assert.rejects(call('ExecSync', { containerId, cmd: ['sleep', '600'], timeout: 2 }), {
      code: 'DEADLINE_EXCEEDED',
    })
    const { stdout } = await call('ExecSync', {
      containerId,
      cmd: ['sh', '-c', 'cat /proc/[0-9]*/cmdline'],
    })
    assert.ok(!stdout.includes('600'), 'the command that was late still runs')
    await remove(podSandboxId)
  })

  test('a pod that asks for a user namespace is refused and not run as root of the machine', async () => {
    const mapping = [{ hostId: 100_000, containerId: 0, length: 65_536 }]
    const usernsOptions = { mode: 'POD', uids: mapping, gids: mapping }
    const linux = { securityContext: { namespaceOptions: { pid: 'CONTAINER', usernsOptions } } }
    await assert.rejects(makePod({ linux }), { code: 'FAILED_PRECONDITION', message: /user namespace/ })
    const podSandboxId = await makePod()
    await assert.rejects(make(podSandboxId, ['sleep', '1'], { linux }), {
      code: 'FAILED_PRECONDITION',
      message: /user namespace/,
    })
    await remove(podSandboxId)
  })

  test('processes that a pod shares stay so over a restart, and end with what holds them', async () => {
    const linux = { securityContext: { namespaceOptions: { pid: 'POD' } } }
    const startIn = async (podSandboxId: string): Promise<string> => {
      const containerId = await make(podSandboxId, ['sleep', '1000'], { linux })
      await call('StartContainer', { containerId })
      return containerId
    }
    const namespaceOf = async (containerId: string): Promise<string> =>
      (await call('ExecSync', { containerId, cmd: ['readlink', '/proc/self/ns/pid'] })).stdout.toString()
    const firstProcess = (podId: string): number => {
      const file = join(folder, 'run/namespaces', podId, 'first-process')
      return (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid
    }
    const podSandboxId = await makePod({ linux })
    const [one, two] = await Promise.all([startIn(podSandboxId), startIn(podSandboxId)])
    await engine.close()
    engine = await open()
    const three = await startIn(podSandboxId)
    assert.equal(await namespaceOf(two), await namespaceOf(one))
    assert.equal(await namespaceOf(three), await namespaceOf(one))
    const pid = firstProcess(podSandboxId)
    assert.equal(readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), 'sleep')
    process.kill(pid, 'SIGKILL')
    await until('a container outlives the namespace of its processes', async () => {
      const { containers } = await call('ListContainers', { filter: { podSandboxId } })
      return containers.every(({ state }) => state === 'CONTAINER_EXITED')
    })
    await assert.rejects(startIn(podSandboxId), { code: 'FAILED_PRECONDITION' })
    await until('a pod in which nothing can run is told as ready', async () => {
      const { status } = await call('PodSandboxStatus', { podSandboxId })
      return status?.state === 'SANDBOX_NOTREADY'
    })
    await remove(podSandboxId)
    const next = await makePod({ linux })
    await startIn(next)
    const other = firstProcess(next)
    await remove(next)
    await until('a process stays of a pod that was removed', () => !existsSync(`/proc/${other}`))
    const strong = await makePod({ linux }, 'runsc')
    await assert.rejects(make(strong, ['sleep', '1'], { linux }), {
      code: 'FAILED_PRECONDITION',
      message: /share processes/,
    })
    await remove(strong)
  })

  test('an AppArmor profile is refused where the kernel has none', async (context) => {
    if (existsSync('/sys/kernel/security/apparmor')) return context.skip('AppArmor is enabled')
    const podSandboxId = await makePod()
    const apparmor = { profileType: 'Localhost', localhostRef: 'strict' }
    await assert.rejects(make(podSandboxId, ['sleep', '1'], { linux: { securityContext: { apparmor } } }), {
      code: 'FAILED_PRECONDITION',
      message: /AppArmor/,
    })
    await remove(podSandboxId)
  })

  test('limits that are changed before a container starts are those that it starts with', async () => {
    const podSandboxId = await makePod()
    const containerId = await make(podSandboxId, ['sleep', '1000'])
    const linux = { memoryLimitInBytes: 64 << 20, cpusetCpus: '0' }
    await call('UpdateContainerResources', { containerId, linux })
    await call('StartContainer', { containerId })
    const parent = join(podSandboxId.slice(0, 24), containerId.slice(0, 24))
    const read = (...parts: string[]) => readFileSync(join('/sys/fs/cgroup', ...parts), 'utf8').trim()
    const isOld = existsSync('/sys/fs/cgroup/memory')
    const memory = isOld
      ? read('memory/pratique', parent, 'memory.limit_in_bytes')
      : read('pratique', parent, 'memory.max')
    assert.equal(memory, String(64 << 20))
    const cpus = () =>
      isOld ? read('cpuset/pratique', parent, 'cpuset.cpus') : read('pratique', parent, 'cpuset.cpus')
    assert.equal(cpus(), '0')
    await call('UpdateContainerResources', { containerId, linux: { cpusetCpus: '0-1' } })
    assert.equal(cpus(), '0-1')
    await remove(podSandboxId)
  })

  test('a container that is stopped and removed at the same time by the beginning of its id is gone', async () => {
    const { podSandboxId, containerId } = await start(['sleep', '1000'])
    const short = containerId.slice(0, 12)
    await Promise.all([
      call('RemoveContainer', { containerId: short }),
      call('StopContainer', { containerId, timeout: 0 }),
      call('StopContainer', { containerId: short, timeout: 0 }),
      call('RemoveContainer', { containerId }),
      call('StopPodSandbox', { podSandboxId: podSandboxId.slice(0, 12) }),
    ])
    assert.deepEqual((await call('ListContainers', {})).containers, [])
    await remove(podSandboxId)
  })

  test('a control group that was given stays when the pod is removed', async () => {
    const group = `/pratique-edges-${process.pid}`
    const roots = existsSync('/sys/fs/cgroup/memory') ? ['memory', 'cpu'] : ['.']
    const places = roots.map((root) => join('/sys/fs/cgroup', root, group))
    for (const place of places) mkdirSync(place)
    try {
      const podSandboxId = await makePod({ linux: { cgroupParent: group } })
      const containerId = await make(podSandboxId, ['sleep', '1000'])
      await call('StartContainer', { containerId })
      await remove(podSandboxId)
      for (const place of places) assert.ok(existsSync(place), `${place} is gone`)
    } finally {
      for (const root of readdirSync('/sys/fs/cgroup', { withFileTypes: true })) {
        const place = join('/sys/fs/cgroup', root.name, group)
        if (root.isDirectory() && existsSync(place)) execFileSync('rmdir', [place])
      }
      if (existsSync(join('/sys/fs/cgroup', group))) execFileSync('rmdir', [join('/sys/fs/cgroup', group)])
    }
  })

  test('a full disk under its log ends no container', { timeout: 60_000 }, async () => {
    const logs = join(folder, 'logs')
    mkdirSync(logs)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'pratique-edges', logs])
    try {
      const podSandboxId = await makePod({ logDirectory: logs })
      const script = 'i=0; while [ $i -lt 9000 ]; do echo 0123456789; i=$((i+1)); done; exit 7'
      const containerId = await make(podSandboxId, ['sh', '-c', script], { logPath: 'c.log' })
      await call('StartContainer', { containerId })
      const status = async () => (await call('ContainerStatus', { containerId })).status
      await until('it does not end', async () => (await status())?.state === 'CONTAINER_EXITED')
      assert.equal((await status())?.exitCode, 7)
      await remove(podSandboxId)
    } finally {
      execFileSync('umount', ['--lazy', logs])
    }
  })

  test('a pod whose making was cut off is gone after a restart, and its address given back', async () => {
    const podSandboxId = await makePod({ annotations: {} })
    assert.match(readFileSync(pluginLog, 'utf8'), /^ADD /)
    await engine.close()
    // As it is on disk while the plugins run.
    const file = join(folder, 'state/pods', `${podSandboxId}.json`)
    const record = JSON.parse(readFileSync(file, 'utf8')) as { cni: { configFile: string } }
    const { configFile } = record.cni
    const half = { ...record, state: 'stopped', addresses: [], isHalfMade: true, cni: { configFile } }
    writeFileSync(file, JSON.stringify(half))
    engine = await open()
    assert.match(readFileSync(pluginLog, 'utf8'), new RegExp(`DEL ${podSandboxId}`))
    assert.deepEqual((await call('ListPodSandbox', {})).items, [])
    assert.ok(!existsSync(join(folder, 'run/namespaces', podSandboxId)))
    assert.ok(!existsSync(join(folder, 'state/pod-files', podSandboxId)))
  })

  test('addresses are given back after the machine was restarted', async () => {
    const podSandboxId = await makePod({ annotations: {} })
    await engine.close()
    const file = join(folder, 'state/pods', `${podSandboxId}.json`)
    const record = JSON.parse(readFileSync(file, 'utf8')) as object
    writeFileSync(file, JSON.stringify({ ...record, bootId: 'another' }))
    engine = await open()
    const { status } = await call('PodSandboxStatus', { podSandboxId })
    assert.equal(status?.state, 'SANDBOX_NOTREADY')
    assert.match(readFileSync(pluginLog, 'utf8'), new RegExp(`DEL ${podSandboxId}`))
    await remove(podSandboxId)
  })

  test('a container whose start was cut off goes on running, and is known to', async () => {
    const { podSandboxId, containerId } = await start(['sleep', '1000'])
    await engine.close()
    // As it is on disk when the agent is killed after the container began to run.
    const file = join(folder, 'state/containers', `${containerId}.json`)
    const record = JSON.parse(readFileSync(file, 'utf8')) as { shim: { pid: number }; startedAt: number }
    // Not even what holds it was written down.
    const { startedAt: _, shim: __, ...half } = record
    writeFileSync(file, JSON.stringify({ ...half, state: 'created' }))
    engine = await open()
    const { status, info } = await call('ContainerStatus', { containerId, verbose: true })
    assert.equal(status?.state, 'CONTAINER_RUNNING')
    const { shim } = JSON.parse(info['info'] ?? '{}') as { shim: { pid: number } }
    assert.equal(shim.pid, record.shim.pid)
    await remove(podSandboxId)
    await until('its shim still runs', () => !existsSync(`/proc/${shim.pid}`))
  })

  test('a runtime that is not configured any more keeps nothing else from opening', async () => {
    const podSandboxId = await makePod({}, 'runsc')
    const containerId = await make(podSandboxId, ['sleep', '1000'])
    await engine.close()
    const file = join(folder, 'state/containers', `${containerId}.json`)
    const record = JSON.parse(readFileSync(file, 'utf8')) as object
    writeFileSync(file, JSON.stringify({ ...record, bootId: 'another' }))
    engine = await open([{ handler: 'runc', kind: 'runc', program: paths.runc }])
    assert.deepEqual((await call('ListContainers', {})).containers, [])
    await remove(podSandboxId)
    await engine.close()
    engine = await open()
  })

  test('a container that starts while its pod is removed is gone with it', { timeout: 60_000 }, async () => {
    for (const delay of [0, 5, 20, 60, 120]) {
      const podSandboxId = await makePod()
      const containerId = await make(podSandboxId, ['sleep', '1000'])
      const starting = call('StartContainer', { containerId }).catch(() => {})
      await pause(delay)
      await Promise.all([
        starting,
        remove(podSandboxId),
        make(podSandboxId, ['sleep', '1000']).catch(() => {}),
      ])
      assert.deepEqual((await call('ListContainers', {})).containers, [], `after ${delay} ms`)
    }
  })

  test('a runtime that cannot be asked to end a container ends it all the same', async () => {
    const podSandboxId = await makePod()
    const script = 'trap "exit 9" 37; while :; do sleep 0.1; done'
    for (const [signal, exitCode] of [
      ['SIGRTMINPLUS3', 9],
      ['SIGSTKFLT', 137],
    ] as const) {
      const containerId = await make(podSandboxId, ['sh', '-c', script], { stopSignal: signal })
      await call('StartContainer', { containerId })
      await pause(200)
      await call('StopContainer', { containerId, timeout: 2 })
      const { status } = await call('ContainerStatus', { containerId })
      assert.deepEqual([status?.state, status?.exitCode], ['CONTAINER_EXITED', exitCode], signal)
    }
    await remove(podSandboxId)
  })

  test('metrics and features are told', async () => {
    const { podSandboxId } = await start(['sleep', '1000'])
    const { descriptors } = await call('ListMetricDescriptors', {})
    const { podMetrics } = await call('ListPodSandboxMetrics', {})
    const own = podMetrics.find((one) => one.podSandboxId === podSandboxId)
    const names = new Set(descriptors.map(({ name }) => name))
    const metrics = own?.containerMetrics[0]?.metrics ?? []
    assert.ok(metrics.length > 0)
    for (const metric of metrics) assert.ok(names.has(metric.name), `${metric.name} is not described`)
    assert.equal((await call('Status', {})).features?.supplementalGroupsPolicy, true)
    await remove(podSandboxId)
  })
})
