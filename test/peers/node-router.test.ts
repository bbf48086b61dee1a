import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, describe, test } from 'node:test'
import { connectStream } from '../../src/agent/streaming/connect-stream.ts'
import { buildImage } from '../fixtures/build-image.ts'
import { startCriContainerd, type CriContainerd } from '../fixtures/cri-containerd.ts'
import { NodeLab, type CriClient } from '../fixtures/node-lab.ts'
import { pushImage } from '../fixtures/push-image.ts'
import { findPeers, rootSkip } from './peer.ts'

const { skip: missing, paths } = findPeers('containerd', 'containerd-2', 'runc', 'runsc', 'busybox')
const skip = missing || rootSkip()
const waitMs = 30_000

describe('an agent with containerd 1.6, containerd 2 and the engine behind it', { skip }, () => {
  let lab: NodeLab
  let old: CriContainerd
  let young: CriContainerd
  let cri: CriClient
  let image: string

  before(async () => {
    lab = await NodeLab.open()
    old = await startCriContainerd({ program: paths.containerd, handlers: { gvisor: paths.runsc } })
    young = await startCriContainerd({
      program: join(import.meta.dirname, '../../.peers/containerd-2/usr/bin/containerd'),
    })
    image = (await lab.push('prod/app:1')).reference
    await lab.setUp({
      backends: [
        { kind: 'cri', name: 'containerd', socket: old.socket },
        { kind: 'cri', name: 'containerd-2', socket: young.socket },
        { kind: 'engine', name: 'engine', runtimes: { runsc: paths.runsc } },
      ],
    })
    await lab.startAgent()
    cri = lab.connect()
  })
  after(async () => {
    if (skip) return
    for (const { id } of (await cri.call('ListPodSandbox')).items) {
      await cri.call('StopPodSandbox', { podSandboxId: id })
      await cri.call('RemovePodSandbox', { podSandboxId: id })
    }
    await cri.close()
    await lab.close()
    await old.stop()
    await young.stop()
  })

  const podConfig = (name: string) => ({
    metadata: { name, uid: crypto.randomUUID(), namespace: 'test' },
    logDirectory: join(lab.folder, 'logs'),
    linux: { securityContext: { namespaceOptions: { network: 'NODE' as const } } },
  })

  async function run(handler: string, args: readonly string[], reference = image) {
    const config = podConfig(handler)
    const { podSandboxId } = await cri.call('RunPodSandbox', { runtimeHandler: handler, config })
    const { imageRef } = await cri.call('PullImage', { image: { image: reference }, sandboxConfig: config })
    const { containerId } = await cri.call('CreateContainer', {
      podSandboxId,
      sandboxConfig: config,
      config: {
        metadata: { name: 'c' },
        image: { image: imageRef },
        command: args,
        logPath: `${podSandboxId}.log`,
      },
    })
    await cri.call('StartContainer', { containerId })
    return { podSandboxId, containerId, log: join(lab.folder, 'logs', `${podSandboxId}.log`) }
  }

  async function endedWith(containerId: string): Promise<number> {
    const deadline = performance.now() + waitMs
    for (;;) {
      const { status } = await cri.call('ContainerStatus', { containerId })
      if (status?.state === 'CONTAINER_EXITED') return status.exitCode
      assert.ok(performance.now() < deadline, 'the container has not ended')
      await pause(50)
    }
  }

  /** As the kubelet does: again, when a runtime does not manage at once. */
  const remove = async (podSandboxId: string): Promise<void> => {
    const deadline = performance.now() + waitMs
    for (;;) {
      try {
        await cri.call('StopPodSandbox', { podSandboxId })
        await cri.call('RemovePodSandbox', { podSandboxId })
        return
      } catch (error) {
        if (performance.now() > deadline) throw error
        await pause(200)
      }
    }
  }

  test('the handlers of all are told, each under a name of its own', async () => {
    const { runtimeHandlers } = await cri.call('Status')
    assert.deepEqual(runtimeHandlers.map(({ name }) => name).toSorted(), [
      'containerd-2-runc',
      'gvisor',
      'runc',
      'runsc',
    ])
  })

  for (const [handler, evidence] of [
    ['runc', /Linux \d+\.\d+/],
    ['containerd-2-runc', /Linux \d+\.\d+/],
    ['runsc', /Linux 4\.4\.0/],
  ] as const) {
    test(`a pod of the handler ${handler} runs there and nowhere else`, async () => {
      const { podSandboxId, containerId, log } = await run(handler, ['sh', '-c', 'uname -sr; exit 3'])
      assert.equal(await endedWith(containerId), 3)
      assert.match(readFileSync(log, 'utf8'), evidence)
      const { status } = await cri.call('PodSandboxStatus', { podSandboxId })
      assert.equal(status?.runtimeHandler, handler)
      await remove(podSandboxId)
    })
  }

  test('exec through the agent reaches a pod in containerd', async () => {
    const { podSandboxId, containerId } = await run('runc', ['sleep', '1000'])
    const told = await cri.call('ExecSync', { containerId, cmd: ['sh', '-c', 'echo inside; exit 2'] })
    assert.deepEqual([told.stdout.toString(), told.exitCode], ['inside\n', 2])
    const { url } = await cri.call('Exec', {
      containerId,
      cmd: ['sh', '-c', 'cat; exit 5'],
      stdin: true,
      stdout: true,
    })
    const [stdin, stdout] = [new PassThrough(), new PassThrough()]
    stdin.end('through SPDY')
    assert.equal(await connectStream(url, { stdin, stdout, tty: false }), 5)
    stdout.end()
    assert.equal((await buffer(stdout)).toString(), 'through SPDY')
    await remove(podSandboxId)
  })

  test('an unsigned image, one of another registry, and one whose tag has moved to a bad one are refused', async () => {
    const unsigned = (await lab.push('prod/unsigned:1', { isSigned: false, files: { u: 'u' } })).reference
    await assert.rejects(cri.call('PullImage', { image: { image: unsigned } }), {
      code: 'PERMISSION_DENIED',
      message: /unsigned/,
    })
    await assert.rejects(
      cri.call('PullImage', { image: { image: 'registry.invalid/x:1' } }),
      (error: Error) => {
        assert.match((error as Error & { code: string }).code, /PERMISSION_DENIED|UNAVAILABLE/)
        return true
      },
    )
    const good = await lab.push('prod/moving:1', { files: { m: '1' } })
    const { imageRef } = await cri.call('PullImage', { image: { image: good.reference } })
    const bad = await buildImage({ layers: [{ evil: 'x' }] })
    await pushImage({ url: lab.product.url, authorization: lab.product.basic() }, 'prod/moving', '1', bad)
    await assert.rejects(cri.call('PullImage', { image: { image: good.reference } }), {
      code: 'PERMISSION_DENIED',
    })
    const config = podConfig('moving')
    const { podSandboxId } = await cri.call('RunPodSandbox', { runtimeHandler: 'runc', config })
    const { containerId } = await cri.call('CreateContainer', {
      podSandboxId,
      sandboxConfig: config,
      config: { metadata: { name: 'c' }, image: { image: good.reference }, command: ['true'] },
    })
    const { status } = await cri.call('ContainerStatus', { containerId })
    assert.equal(status?.image?.image, imageRef)
    await remove(podSandboxId)
  })

  test('an image that was brought in by another door is refused, and one that is quarantined since is too', async () => {
    const config = podConfig('loaded')
    const { podSandboxId } = await cri.call('RunPodSandbox', { runtimeHandler: 'runc', config })
    const create = (named: string) =>
      cri.call('CreateContainer', {
        podSandboxId,
        sandboxConfig: config,
        config: { metadata: { name: crypto.randomUUID() }, image: { image: named }, command: ['true'] },
      })
    // The pause image is there by import, and nobody has cleared it.
    await assert.rejects(create('localhost/pause:1'), { code: 'PERMISSION_DENIED' })
    const { reference, image: built } = await lab.push('prod/doomed:1', { files: { d: 'd' } })
    const { imageRef } = await cri.call('PullImage', { image: { image: reference } })
    await create(imageRef)
    const answer = await lab.product.api('POST', '/api/v1/quarantine', {
      image: `prod/doomed@${built.digest}`,
      reason: 'found to be bad',
    })
    assert.ok(answer.status < 300, JSON.stringify(answer.body))
    await assert.rejects(create(imageRef), { code: 'PERMISSION_DENIED', message: /quarantined/ })
    await remove(podSandboxId)
  })

  test('the registry goes away: what was cleared starts again, and nothing new does', async () => {
    const { imageRef } = await cri.call('PullImage', { image: { image } })
    process.kill(lab.product.pid, 'SIGSTOP')
    try {
      const config = podConfig('offline')
      const { podSandboxId } = await cri.call('RunPodSandbox', { runtimeHandler: 'runc', config })
      const { containerId } = await cri.call('CreateContainer', {
        podSandboxId,
        sandboxConfig: config,
        config: { metadata: { name: 'c' }, image: { image: imageRef }, command: ['true'] },
      })
      await cri.call('StartContainer', { containerId })
      assert.equal(await endedWith(containerId), 0)
      await assert.rejects(cri.call('PullImage', { image: { image: `${lab.product.host}/prod/new:1` } }), {
        code: 'UNAVAILABLE',
      })
      await remove(podSandboxId)
    } finally {
      process.kill(lab.product.pid, 'SIGCONT')
    }
  })

  test('SIGKILL of the agent, of a containerd and of a shim loses nothing and leaks nothing', async () => {
    const one = await run('runc', ['sleep', '1000'])
    const two = await run('containerd-2-runc', ['sleep', '1000'])
    await lab.stopAgent('SIGKILL')
    await lab.startAgent()
    const running = async (): Promise<string[]> =>
      (
        await cri.call('ListContainers', { filter: { state: { state: 'CONTAINER_RUNNING' } } })
      ).containers.map(({ id }) => id)
    assert.deepEqual((await running()).toSorted(), [one.containerId, two.containerId].toSorted())
    await old.restart()
    const deadline = performance.now() + waitMs
    let told: string[] = []
    while (told.length < 2 && performance.now() < deadline) told = await running().catch(() => [])
    assert.deepEqual(told.toSorted(), [one.containerId, two.containerId].toSorted())
    const { stdout } = await cri.call('ExecSync', {
      containerId: one.containerId,
      cmd: ['echo', 'still here'],
    })
    assert.equal(stdout.toString(), 'still here\n')
    const shim = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
      .split('\n')
      .find((line) => line.includes('containerd-shim') && line.includes(two.podSandboxId))
    process.kill(Number.parseInt(shim ?? '', 10), 'SIGKILL')
    assert.equal(await endedWith(two.containerId), 255)
    for (const { podSandboxId } of [one, two]) await remove(podSandboxId)
    assert.deepEqual((await cri.call('ListPodSandbox')).items, [])
    assert.deepEqual(leftovers(old, young), [])
  })

  test('a backend that is away makes lists fail, and says which one it is, until it is back', async () => {
    process.kill(young.pid(), 'SIGKILL')
    const list = () => cri.call('ListPodSandbox')
    await assert.rejects(list(), { code: 'UNAVAILABLE', message: /containerd-2/ })
    const { status } = await cri.call('Status')
    const ready = status?.conditions.find(({ type }) => type === 'RuntimeReady')
    assert.equal(ready?.status, false)
    assert.match(ready?.message ?? '', /containerd-2/)
    // The others go on.
    const { podSandboxId, containerId } = await run('runc', ['true'])
    assert.equal(await endedWith(containerId), 0)
    await remove(podSandboxId)
    await young.restart()
    const deadline = performance.now() + waitMs
    let isBack = false
    while (!isBack && performance.now() < deadline) {
      isBack = await list().then(
        () => true,
        () => false,
      )
    }
    assert.ok(isBack, 'the backend was not found again')
  })
})

/** Mounts and tasks that containerds keep of pods that are gone. */
function leftovers(...all: readonly CriContainerd[]): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return all.flatMap(({ folder }) => [
    ...mounts.filter((line) => line.includes(`${folder}/state/`)),
    ...['k8s.io'].flatMap((namespace) => {
      const tasks = join(folder, 'state/io.containerd.runtime.v2.task', namespace)
      return existsSync(tasks) ? readdirSync(tasks) : []
    }),
  ])
}
