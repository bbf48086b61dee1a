import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openLog } from '../../kernel/log.ts'
import { backendOf, type Backend, type CriHandlers } from '../cri/backend.ts'
import { connectBackend } from '../cri/connect-backend.ts'
import { CriFailure } from '../cri/failures.ts'
import { decode, encode } from '../cri/protocol.ts'
import { serveCri, type Door } from '../cri/serve-cri.ts'
import { embed } from '../cri/splice.ts'
import { openRouter } from './open-router.ts'
import type { Destination } from './types.ts'

const context = { signal: new AbortController().signal }
const silent = openLog('silent')
const hex = (digit: string): string => digit.repeat(64)

/** A runtime that keeps its pods and containers in memory, and says which calls came. */
function memoryBackend(name: string, digit: string, more: CriHandlers = {}) {
  const calls: { name: string; request: Buffer }[] = []
  const pods = new Map<string, { handler: string; uid: string }>()
  const containers = new Set<string>()
  const handlers: CriHandlers = {
    async RunPodSandbox({ runtimeHandler, config }) {
      const id = hex(digit)
      pods.set(id, { handler: runtimeHandler, uid: config?.metadata?.uid ?? '' })
      return { podSandboxId: id }
    },
    async ListPodSandbox({ filter }) {
      const items = [...pods].map(([id, { handler, uid }]) => ({
        id,
        runtimeHandler: handler,
        metadata: { uid },
      }))
      return { items: items.filter(({ id }) => id.startsWith(filter?.id ?? '')) }
    },
    async PodSandboxStatus({ podSandboxId }) {
      const pod = pods.get(podSandboxId)
      if (!pod) throw new CriFailure('NOT_FOUND', `${name} has no pod ${podSandboxId}`)
      return { status: { id: podSandboxId, runtimeHandler: pod.handler } }
    },
    async RemovePodSandbox({ podSandboxId }) {
      pods.delete(podSandboxId)
      return {}
    },
    async CreateContainer() {
      const containerId = hex(String.fromCharCode(digit.charCodeAt(0) + 1))
      containers.add(containerId)
      return { containerId }
    },
    async ListContainers({ filter }) {
      return {
        containers: [...containers].filter((id) => id.startsWith(filter?.id ?? '')).map((id) => ({ id })),
      }
    },
    async ContainerStatus({ containerId }) {
      return { status: { id: containerId, reason: name } }
    },
    async ImageStatus({ image }) {
      return { image: image?.image === name ? { id: name } : null }
    },
    async PullImage() {
      return { imageRef: name }
    },
    async RemoveImage() {
      return {}
    },
    async ListImages() {
      return { images: [{ id: 'shared' }, { id: name }] }
    },
    async *StreamImages() {
      for (const id of ['shared', name]) yield { images: [{ id }] }
    },
    async Status() {
      return {
        status: { conditions: [{ type: 'RuntimeReady', status: true }] },
        runtimeHandlers: [{ name: 'runc', features: { userNamespaces: name === 'one' } }],
      }
    },
    async *GetContainerEvents() {
      yield { containerId: `${name}-1`, podSandboxStatus: { runtimeHandler: 'runc' } }
      yield { containerId: `${name}-2` }
    },
    ...more,
  }
  const plain = backendOf(name, handlers, async () => {})
  const backend: Backend = {
    ...plain,
    call(call, request, given) {
      calls.push({ name: call, request })
      return plain.call(call, request, given)
    },
  }
  return { backend, calls, pods, containers }
}

function routerOver(...all: ReturnType<typeof memoryBackend>[]) {
  const destinations: Destination[] = all.map(({ backend }, index) => ({
    handler: index === 0 ? 'runc' : `${backend.name}-runc`,
    backend,
    backendHandler: 'runc',
  }))
  return openRouter({
    backends: all.map(({ backend }) => backend),
    version: '1.2.3',
    handlers: () => destinations,
    choose(handler) {
      const found = destinations.find((one) => one.handler === (handler || 'runc'))
      if (!found) throw new CriFailure('NOT_FOUND', `there is no handler ${handler}`)
      return found
    },
  })
}

const unknown = embed(1999, Buffer.from('of a newer kubelet'))

describe('two backends behind one router', () => {
  let one: ReturnType<typeof memoryBackend>
  let two: ReturnType<typeof memoryBackend>
  let router: Backend
  before(() => {
    one = memoryBackend('one', '1')
    two = memoryBackend('two', 'a')
    router = routerOver(one, two)
  })

  const run = async (runtimeHandler: string, uid: string) =>
    decode(
      'RunPodSandboxResponse',
      await router.call(
        'RunPodSandbox',
        Buffer.concat([
          encode('RunPodSandboxRequest', { runtimeHandler, config: { metadata: { uid } } }),
          unknown,
        ]),
        context,
      ),
    ).podSandboxId

  test('a pod goes to the backend of its handler, under the name that the backend has for it', async () => {
    assert.equal(await run('two-runc', 'u2'), hex('a'))
    assert.equal(await run('', 'u1'), hex('1'))
    assert.equal(two.pods.get(hex('a'))?.handler, 'runc')
    assert.equal(one.pods.size, 1)
  })

  test('what the agent does not know of a request reaches the backend', () => {
    assert.ok(two.calls.find(({ name }) => name === 'RunPodSandbox')?.request.includes('of a newer kubelet'))
  })

  test('an unknown handler is refused before any backend is asked', async () => {
    await assert.rejects(run('kata', 'u3'), { code: 'NOT_FOUND' })
  })

  test('lists are those of all, with handlers as pods name them', async () => {
    const { items } = decode(
      'ListPodSandboxResponse',
      await router.call('ListPodSandbox', Buffer.of(), context),
    )
    assert.deepEqual(
      items.map(({ id, runtimeHandler }) => [id[0], runtimeHandler]),
      [
        ['1', 'runc'],
        ['a', 'two-runc'],
      ],
    )
  })

  test('what is asked of a pod or container goes to the backend that has it, by its whole id or its beginning', async () => {
    for (const [id, handler] of [
      [hex('a'), 'two-runc'],
      [hex('1'), 'runc'],
    ] as const) {
      const request = encode('PodSandboxStatusRequest', { podSandboxId: id })
      const answer = decode(
        'PodSandboxStatusResponse',
        await router.call('PodSandboxStatus', request, context),
      )
      assert.equal(answer.status?.runtimeHandler, handler)
    }
    await router.call(
      'CreateContainer',
      encode('CreateContainerRequest', { podSandboxId: hex('a') }),
      context,
    )
    // A router that has just been started knows nothing yet.
    for (const each of [router, routerOver(one, two)]) {
      for (const containerId of [hex('b'), 'bbbb']) {
        const request = encode('ContainerStatusRequest', { containerId })
        const { status } = decode(
          'ContainerStatusResponse',
          await each.call('ContainerStatus', request, context),
        )
        assert.equal(status?.reason, 'two')
      }
    }
  })

  test('a pull for a pod goes where the pod is, and any other to the first', async () => {
    for (const [uid, expected] of [
      ['u2', 'two'],
      ['u1', 'one'],
      ['', 'one'],
    ] as const) {
      const request = encode('PullImageRequest', {
        image: { image: 'x' },
        sandboxConfig: { metadata: { uid } },
      })
      const { imageRef } = decode('PullImageResponse', await router.call('PullImage', request, context))
      assert.equal(imageRef, expected)
    }
    const named = encode('PullImageRequest', { image: { image: 'x', runtimeHandler: 'two-runc' } })
    assert.equal(decode('PullImageResponse', await router.call('PullImage', named, context)).imageRef, 'two')
  })

  test('an image is found in whichever backend has it, and removed from all', async () => {
    const request = encode('ImageStatusRequest', { image: { image: 'two' } })
    assert.equal(
      decode('ImageStatusResponse', await router.call('ImageStatus', request, context)).image?.id,
      'two',
    )
    await router.call('RemoveImage', encode('RemoveImageRequest', { image: { image: 'two' } }), context)
    for (const { calls } of [one, two]) assert.ok(calls.some(({ name }) => name === 'RemoveImage'))
  })

  test('an image that several have is listed once', async () => {
    const { images } = decode('ListImagesResponse', await router.call('ListImages', Buffer.of(), context))
    assert.deepEqual(
      images.map(({ id }) => id),
      ['shared', 'one', 'two'],
    )
    const streamed = await Array.fromAsync(router.stream('StreamImages', Buffer.of(), context))
    assert.deepEqual(
      streamed
        .flatMap((bytes) => decode('StreamImagesResponse', bytes).images.map(({ id }) => id))
        .toSorted(),
      ['one', 'shared', 'two'],
    )
  })

  test('the state tells the handlers of all, and of a backend that is not well its name', async () => {
    const ill = memoryBackend('three', '3', {
      async Status() {
        throw new CriFailure('UNAVAILABLE', 'three does not answer at /run/three.sock')
      },
    })
    const well = decode('StatusResponse', await router.call('Status', encode('StatusRequest', {}), context))
    assert.deepEqual(
      well.runtimeHandlers.map(({ name, features }) => [name, features?.userNamespaces]),
      [
        ['runc', true],
        ['two-runc', false],
      ],
    )
    assert.equal(well.status?.conditions[0]?.status, true)
    const status = await routerOver(one, ill).call('Status', encode('StatusRequest', {}), context)
    const [condition] = decode('StatusResponse', status).status?.conditions ?? []
    assert.equal(condition?.status, false)
    assert.match(condition?.message ?? '', /three: three does not answer/)
  })

  test('events of all come through one stream', async () => {
    const seen: string[] = []
    for await (const bytes of router.stream('GetContainerEvents', Buffer.of(), context)) {
      const { containerId, podSandboxStatus } = decode('ContainerEventResponse', bytes)
      seen.push(`${containerId} ${podSandboxStatus?.runtimeHandler ?? '-'}`)
    }
    assert.deepEqual(seen.sort(), ['one-1 runc', 'one-2 -', 'two-1 two-runc', 'two-2 -'])
  })

  test('a list is refused while a backend is away: what is missing would be taken for gone', async () => {
    const away = memoryBackend('away', '5', {
      async ListPodSandbox() {
        throw new CriFailure('UNAVAILABLE', 'away does not answer')
      },
    })
    const partial = routerOver(one, away)
    await assert.rejects(partial.call('ListPodSandbox', Buffer.of(), context), { code: 'UNAVAILABLE' })
    // The same for a pod that may be there.
    const stop = encode('StopPodSandboxRequest', { podSandboxId: hex('5') })
    await assert.rejects(partial.call('StopPodSandbox', stop, context), { code: 'UNAVAILABLE' })
  })

  test('the beginning of an id that fits in two backends is refused', async () => {
    const twin = memoryBackend('twin', '1')
    twin.pods.set(hex('1').replace(/.$/, '0'), { handler: 'runc', uid: '' })
    const request = encode('PodSandboxStatusRequest', { podSandboxId: '111' })
    await assert.rejects(routerOver(one, twin).call('PodSandboxStatus', request, context), {
      code: 'INVALID_ARGUMENT',
      message: /one and twin/,
    })
  })
})

describe('over the socket', () => {
  const folder = mkdtempSync(join(tmpdir(), 'pratique-door-'))
  const socket = join(folder, 'run', 'agent.sock')
  let door: Door
  let client: Backend
  const served = memoryBackend('served', '7', {
    async RemoveContainer() {
      throw new Error('a bug of ours')
    },
    async *GetContainerEvents(_, { signal }) {
      yield { containerId: 'first' }
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
    async ExecSync(_, { signal }) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      ended.resolve()
      return {}
    },
  })
  const ended = Promise.withResolvers<void>()
  before(async () => {
    door = await serveCri({ socket, backend: routerOver(served), log: silent })
    client = connectBackend('agent', socket)
  })
  after(async () => {
    await client.close()
    await door.close()
    rmSync(folder, { recursive: true })
  })

  test('only its owner reaches it', () => {
    assert.equal(statSync(socket).mode & 0o777, 0o600)
  })

  test('calls, streams and refusals come through with their status and message', async () => {
    const version = decode('VersionResponse', await client.call('Version', Buffer.of(), context))
    assert.equal(version.runtimeVersion, '1.2.3')
    const request = encode('PodSandboxStatusRequest', { podSandboxId: hex('0') })
    await assert.rejects(client.call('PodSandboxStatus', request, context), {
      code: 'NOT_FOUND',
      message: /has no pod 000/,
    })
    const checkpoint = encode('CheckpointContainerRequest', { containerId: hex('8') })
    await assert.rejects(client.call('CheckpointContainer', checkpoint, context), { code: 'UNIMPLEMENTED' })
    for await (const event of client.stream('GetContainerEvents', Buffer.of(), context)) {
      assert.equal(decode('ContainerEventResponse', event).containerId, 'first')
      break
    }
  })

  test('of a bug of ours the caller learns no more than that', async () => {
    const request = encode('RemoveContainerRequest', { containerId: hex('8') })
    await assert.rejects(client.call('RemoveContainer', request, context), {
      code: 'INTERNAL',
      message: /RemoveContainer failed in the agent/,
    })
  })

  test('a caller that goes away ends its call', async () => {
    const controller = new AbortController()
    const calling = client.call('ExecSync', encode('ExecSyncRequest', { containerId: hex('8') }), {
      signal: controller.signal,
    })
    setTimeout(() => controller.abort(), 50)
    await assert.rejects(calling, { code: 'CANCELLED' })
    await ended.promise
  })

  test('a second agent on the same socket is refused, and the remains of a dead one are not', async () => {
    await assert.rejects(serveCri({ socket, backend: routerOver(served), log: silent }), {
      code: 'ALREADY_EXISTS',
    })
    const left = join(folder, 'left.sock')
    writeFileSync(left, '')
    await (await serveCri({ socket: left, backend: routerOver(served), log: silent })).close()
  })

  test('a runtime that is not there is named with its socket', async () => {
    const absent = connectBackend('containerd', join(folder, 'absent.sock'))
    await assert.rejects(absent.call('Version', Buffer.of(), context), {
      code: 'UNAVAILABLE',
      message: /containerd does not answer at .*absent\.sock/,
    })
    await absent.close()
  })
})
