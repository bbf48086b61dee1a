import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { connectBackend } from '../../../src/agent/cri/connect-backend.ts'
import type { ContainerConfig, ContainerEventResponse } from '../../../src/agent/cri/cri-types.ts'
import { decode, encode, type Loose } from '../../../src/agent/cri/protocol.ts'
import { unknownId } from './pods.ts'
import { security, until, type Check } from './trial.ts'

const lifecycle: readonly Check[] = [
  {
    name: 'a container is created, runs, ends and is gone, at times that follow one another',
    async run(trial) {
      const { cri } = trial
      const pod = await trial.pod()
      const before = (Date.now() - 1_000) * 1e6
      const asked = {
        metadata: { name: 'whole', attempt: 2 },
        labels: { app: 'a', 'kubernetes.io/tier': 'b' },
        annotations: { note: 'with "quotes" and\nlines', empty: '' },
      }
      const containerId = await trial.create(pod, ['sleep', '1000'], asked)
      const created = await trial.status(containerId)
      assert.deepEqual([created.state, created.startedAt, created.finishedAt], ['CONTAINER_CREATED', 0, 0])
      await cri.call('StartContainer', { containerId })
      const running = await trial.status(containerId)
      const { metadata, labels, annotations } = running
      assert.deepEqual({ metadata, labels, annotations }, asked)
      assert.deepEqual([running.state, running.finishedAt], ['CONTAINER_RUNNING', 0])
      assert.equal(running.logPath, `${pod.logs}/whole.log`)
      assert.match(running.imageRef, /@sha256:/)
      const [listed] = (await cri.call('ListContainers', { filter: { id: containerId } })).containers
      assert.deepEqual([listed?.metadata, listed?.labels, listed?.annotations], Object.values(asked))
      assert.deepEqual([listed?.podSandboxId, listed?.state], [pod.id, 'CONTAINER_RUNNING'])
      assert.notEqual(listed?.imageRef ?? '', '')
      await cri.call('StopContainer', { containerId, timeout: 0 })
      const ended = await trial.status(containerId)
      assert.deepEqual([ended.state, ended.exitCode, ended.reason], ['CONTAINER_EXITED', 137, 'Error'])
      const times = [before, ended.createdAt, ended.startedAt, ended.finishedAt, (Date.now() + 1_000) * 1e6]
      assert.deepEqual(
        times.toSorted((one, other) => one - other),
        times,
      )
      await cri.call('StopContainer', { containerId, timeout: 10 })
      await cri.call('RemoveContainer', { containerId })
      await cri.call('RemoveContainer', { containerId })
      await assert.rejects(cri.call('ContainerStatus', { containerId }), { code: 'NOT_FOUND' })
      assert.deepEqual((await cri.call('ListContainers', { filter: { id: containerId } })).containers, [])
    },
  },
  {
    name: 'of a container that it does not know the runtime says so, except where removing it is asked',
    async run({ cri }) {
      const containerId = unknownId
      await cri.call('RemoveContainer', { containerId })
      const calls = [
        cri.call('ContainerStatus', { containerId }),
        cri.call('ContainerStats', { containerId }),
        cri.call('StartContainer', { containerId }),
        cri.call('ExecSync', { containerId, cmd: ['true'] }),
        cri.call('Exec', { containerId, cmd: ['true'], stdout: true }),
        cri.call('Attach', { containerId, stdout: true }),
        cri.call('ReopenContainerLog', { containerId }),
        cri.call('UpdateContainerResources', { containerId, linux: { cpuShares: 500 } }),
      ]
      for (const one of await Promise.allSettled(calls)) {
        assert.equal(one.status === 'rejected' && (one.reason as { code: string }).code, 'NOT_FOUND')
      }
      const request = { podSandboxId: unknownId, config: { metadata: { name: 'x' } } }
      await assert.rejects(cri.call('CreateContainer', request))
    },
  },
  {
    name: 'a container that was asked to end has its time, and is killed when that is over',
    async run(trial) {
      const pod = trial.subject.pod
      const loop = 'while true; do sleep 0.1; done'
      const polite = await trial.start(pod, ['sh', '-c', `trap "sleep 0.3; exit 9" TERM; echo; ${loop}`])
      const deaf = await trial.start(pod, ['sh', '-c', `trap "" TERM; ${loop}`])
      await pause(300)
      await Promise.all([
        trial.cri.call('StopContainer', { containerId: polite, timeout: 20 }),
        trial.cri.call('StopContainer', { containerId: deaf, timeout: 1 }),
      ])
      assert.equal((await trial.status(polite)).exitCode, 9)
      assert.equal((await trial.status(deaf)).exitCode, 137)
    },
  },
  {
    name: 'an image says by which signal its containers are asked to end',
    async run(trial) {
      const { reference } = await trial.subject.push('prod/signal:1', { config: { StopSignal: 'SIGUSR1' } })
      await trial.subject.pull(reference)
      const script = 'trap "exit 11" USR1; while true; do sleep 0.1; done'
      const image = { image: reference }
      const containerId = await trial.start(trial.subject.pod, ['sh', '-c', script], { image })
      await pause(300)
      await trial.cri.call('StopContainer', { containerId, timeout: 20 })
      assert.equal((await trial.status(containerId)).exitCode, 11)
    },
  },
  {
    name: 'a container is removed while it runs',
    async run(trial) {
      const containerId = await trial.waiting()
      await trial.cri.call('RemoveContainer', { containerId })
      await assert.rejects(trial.status(containerId), { code: 'NOT_FOUND' })
    },
  },
  {
    name: 'a container starts once, and runs no commands before and after it runs',
    async run(trial) {
      const pod = trial.subject.pod
      const containerId = await trial.create(pod, ['sleep', '1000'])
      const runs = () => trial.cri.call('ExecSync', { containerId, cmd: ['true'] })
      await assert.rejects(runs())
      await trial.cri.call('StartContainer', { containerId })
      await assert.rejects(trial.cri.call('StartContainer', { containerId }))
      await runs()
      await trial.cri.call('StopContainer', { containerId, timeout: 0 })
      await assert.rejects(runs())
      await assert.rejects(trial.cri.call('StartContainer', { containerId }))
    },
  },
  {
    name: 'how a container ended is told by its exit code and a reason',
    async run(trial) {
      const pod = trial.subject.pod
      for (const [script, exitCode, reason] of [
        ['exit 0', 0, 'Completed'],
        ['exit 41', 41, 'Error'],
        ['sh -c "kill -SEGV \\$\\$"; exit $?', 139, 'Error'],
      ] as const) {
        const status = await trial.ended(await trial.start(pod, ['sh', '-c', script]))
        assert.deepEqual([status.exitCode, status.reason], [exitCode, reason], script)
      }
    },
  },
  {
    name: 'a container whose program is not there fails to start, and says so',
    async run(trial) {
      const containerId = await trial.create(trial.subject.pod, ['/bin/not-there'])
      await assert.rejects(trial.cri.call('StartContainer', { containerId }), { message: /not-there/ })
      const { state, exitCode, reason, message } = await trial.status(containerId)
      assert.equal(state, 'CONTAINER_EXITED')
      assert.notEqual(exitCode, 0)
      assert.equal(reason, 'StartError')
      assert.match(message, /not-there/)
      await trial.cri.call('RemoveContainer', { containerId })
    },
  },
  {
    name: 'a container that takes more memory than it may is killed, and the reason is said',
    async run(trial) {
      const limit = 16 << 20
      const resources = { memoryLimitInBytes: limit, memorySwapLimitInBytes: limit }
      const command = ['sh', '-c', 'x=x; while true; do x=$x$x; done']
      const linux = { ...security({}), resources }
      const status = await trial.ended(await trial.start(trial.subject.pod, command, { linux }))
      assert.deepEqual([status.exitCode, status.reason], [137, 'OOMKilled'])
    },
  },
  {
    name: 'containers are listed by id, by its beginning, by state, by pod and by labels',
    async run(trial) {
      const mark = crypto.randomUUID()
      const [pod, other] = [await trial.pod(), await trial.pod()]
      const created = await trial.create(pod, ['true'], { labels: { mark, role: 'one' } })
      const running = await trial.waiting({ labels: { mark, role: 'two' } }, pod)
      const ended = await trial.start(other, ['true'], { labels: { mark, role: 'two' } })
      await trial.ended(ended)
      const labelSelector = { mark }
      const cases = [
        [{ id: created }, [created]],
        [{ id: running.slice(0, 20) }, [running]],
        [{ podSandboxId: pod.id }, [created, running]],
        [{ podSandboxId: pod.id, state: { state: 'CONTAINER_EXITED' } }, []],
        [{ labelSelector }, [created, running, ended]],
        [{ labelSelector: { mark, role: 'two' } }, [running, ended]],
        [{ labelSelector, state: { state: 'CONTAINER_CREATED' } }, [created]],
        [{ labelSelector, state: { state: 'CONTAINER_RUNNING' } }, [running]],
        [{ labelSelector, state: { state: 'CONTAINER_EXITED' } }, [ended]],
        [{ id: created, podSandboxId: other.id }, []],
      ] as const
      for (const [filter, expected] of cases) {
        const { containers } = await trial.cri.call('ListContainers', { filter })
        const found = containers.map(({ id }) => id).toSorted()
        assert.deepEqual(found, expected.toSorted(), JSON.stringify(filter))
      }
    },
  },
  {
    name: 'containers of one pod come and go without one another',
    async run(trial) {
      const pod = await trial.pod()
      const [one, two] = [await trial.waiting({}, pod), await trial.waiting({}, pod)]
      await trial.cri.call('StopContainer', { containerId: one, timeout: 0 })
      assert.equal(await trial.exec(two, 'echo still here'), 'still here')
      await trial.cri.call('RemoveContainer', { containerId: one })
      const { containers } = await trial.cri.call('ListContainers', { filter: { podSandboxId: pod.id } })
      assert.deepEqual(
        containers.map(({ id }) => id),
        [two],
      )
      const { status } = await trial.cri.call('PodSandboxStatus', { podSandboxId: pod.id })
      assert.equal(status?.state, 'SANDBOX_READY')
    },
  },
  {
    name: 'what happens to containers is told as it happens',
    notIn: ['containerd'],
    async run(trial) {
      const { subject } = trial
      const pod = await trial.pod()
      const backend = connectBackend('events', subject.socket)
      const ending = new AbortController()
      const told: ContainerEventResponse[] = []
      const listening = (async () => {
        const request = encode('GetEventsRequest', {})
        for await (const one of backend.stream('GetContainerEvents', request, { signal: ending.signal }))
          told.push(decode('ContainerEventResponse', one))
      })().catch(() => {})
      await pause(300)
      const containerId = await trial.waiting({}, pod)
      await trial.cri.call('StopContainer', { containerId, timeout: 0 })
      await trial.cri.call('RemoveContainer', { containerId })
      const own = () => told.filter((one) => one.containerId === containerId)
      await until('not all was told', () => (own().length >= 4 ? true : undefined))
      ending.abort()
      await listening
      await backend.close()
      assert.deepEqual(
        own().map((one) => one.containerEventType),
        [
          'CONTAINER_CREATED_EVENT',
          'CONTAINER_STARTED_EVENT',
          'CONTAINER_STOPPED_EVENT',
          'CONTAINER_DELETED_EVENT',
        ],
      )
      const [, started] = own()
      assert.equal(started?.podSandboxStatus?.id, pod.id)
      assert.deepEqual(
        started?.containersStatuses.map(({ id, state }) => [id, state]),
        [[containerId, 'CONTAINER_RUNNING']],
      )
    },
  },
]

const use: readonly Check[] = [
  {
    name: 'what a container uses is told, of one and of some',
    async run(trial) {
      const mark = crypto.randomUUID()
      const [pod, other] = [await trial.pod(), await trial.pod()]
      const script = 'echo written > /file; while true; do :; done'
      const busy = await trial.start(pod, ['sh', '-c', script], { labels: { mark } })
      const idle = await trial.waiting({}, other)
      const stats = await until('nothing is used', async () => {
        const told = (await trial.cri.call('ContainerStats', { containerId: busy })).stats
        const layer = told?.writableLayer?.usedBytes?.value ?? 0
        return (told?.cpu?.usageCoreNanoSeconds?.value ?? 0) > 1e7 && layer > 0
          ? (told ?? undefined)
          : undefined
      })
      assert.equal(stats.attributes?.id, busy)
      assert.deepEqual(stats.attributes?.labels, { mark })
      assert.ok((stats.memory?.workingSetBytes?.value ?? 0) > 0)
      assert.ok((stats.writableLayer?.inodesUsed?.value ?? 0) > 0)
      assert.notEqual(stats.writableLayer?.fsId?.mountpoint ?? '', '')
      assert.ok(Math.abs((stats.cpu?.timestamp ?? 0) / 1e6 - Date.now()) < 60_000)
      const cases = [
        [{ id: busy }, [busy]],
        [{ podSandboxId: other.id }, [idle]],
        [{ labelSelector: { mark } }, [busy]],
        [{ podSandboxId: other.id, labelSelector: { mark } }, []],
      ] as const
      for (const [filter, expected] of cases) {
        const told = await trial.cri.call('ListContainerStats', { filter })
        const found = told.stats.map(({ attributes }) => attributes?.id)
        assert.deepEqual(found, expected, JSON.stringify(filter))
      }
    },
  },
  {
    name: 'limits hold from the start, and others when they are changed',
    async run(trial) {
      const pod = await trial.pod()
      const resources = {
        memoryLimitInBytes: 64 << 20,
        cpuShares: 512,
        cpuPeriod: 100_000,
        cpuQuota: 50_000,
        oomScoreAdj: 500,
      }
      const containerId = await trial.waiting({ linux: { ...security({}), resources } }, pod)
      const memory = () =>
        trial.exec(
          containerId,
          'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>&- || cat /sys/fs/cgroup/memory.max',
        )
      const quota = () =>
        trial.exec(
          containerId,
          'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>&- || cut -d" " -f1 /sys/fs/cgroup/cpu.max',
        )
      assert.deepEqual([await memory(), await quota()], [String(64 << 20), '50000'])
      assert.equal(await trial.exec(containerId, 'cat /proc/1/oom_score_adj'), '500')
      await trial.cri.call('UpdateContainerResources', {
        containerId,
        linux: { memoryLimitInBytes: 96 << 20 },
      })
      assert.deepEqual([await memory(), await quota()], [String(96 << 20), '50000'])
      await trial.cri.call('UpdateContainerResources', {
        containerId,
        linux: { cpuPeriod: 100_000, cpuQuota: 70_000 },
      })
      assert.deepEqual([await memory(), await quota()], [String(96 << 20), '70000'])
    },
  },
  {
    name: 'limits are told as they are, after they were changed too',
    notIn: ['containerd'],
    async run(trial) {
      const resources = { memoryLimitInBytes: 64 << 20, cpuPeriod: 100_000, cpuQuota: 50_000 }
      const containerId = await trial.waiting({ linux: { ...security({}), resources } })
      const told = async () => {
        const { resources: now } = await trial.status(containerId)
        return [now?.linux?.memoryLimitInBytes, now?.linux?.cpuQuota]
      }
      assert.deepEqual(await told(), [64 << 20, 50_000])
      await trial.cri.call('UpdateContainerResources', {
        containerId,
        linux: { memoryLimitInBytes: 96 << 20 },
      })
      assert.deepEqual(await told(), [96 << 20, 50_000])
    },
  },
  {
    name: 'limits of a container are changed before it starts',
    async run(trial) {
      const resources = { memoryLimitInBytes: 64 << 20, cpuPeriod: 100_000, cpuQuota: 50_000 }
      const pod = await trial.pod()
      const containerId = await trial.create(pod, ['sleep', '1000'], {
        linux: { ...security({}), resources },
      })
      await trial.cri.call('UpdateContainerResources', {
        containerId,
        linux: { memoryLimitInBytes: 96 << 20 },
      })
      await trial.cri.call('StartContainer', { containerId })
      const script =
        'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>&- || cat /sys/fs/cgroup/memory.max'
      assert.equal((await trial.exec(containerId, script)).split('\n')[0], String(96 << 20))
      if (existsSync('/sys/fs/cgroup/cpu')) {
        assert.equal((await trial.exec(containerId, script)).split('\n')[1], '50000')
      }
    },
  },
]

/** Of an image with an entry point, arguments and variables. */
const image = {
  Entrypoint: ['/bin/echo', 'entry'],
  Cmd: ['image'],
  Env: ['PATH=/bin', 'KEPT=by the image', 'CHANGED=no'],
  WorkingDir: '/etc',
}

const commands: readonly Check[] = [
  { command: [], args: [], printed: 'entry image' },
  { command: [], args: ['given', 'two words'], printed: 'entry given two words' },
  { command: ['/bin/echo', 'other'], args: [], printed: 'other' },
  { command: ['/bin/echo', 'other'], args: ['given'], printed: 'other given' },
].map(({ command, args, printed }) => ({
  name: `an entry point runs as ${JSON.stringify(printed)} with the command ${JSON.stringify(command)} and the arguments ${JSON.stringify(args)}`,
  async run(trial) {
    const { reference } = await trial.subject.push('prod/entry:1', { config: image })
    await trial.subject.pull(reference)
    const { pod } = trial.subject
    const metadata = { name: crypto.randomUUID() }
    const more: Loose<ContainerConfig> = { image: { image: reference }, command, args, metadata }
    await trial.ended(await trial.start(pod, [], more))
    assert.equal(await trial.log(pod, metadata.name), `${printed}\n`)
  },
}))

const processes: readonly Check[] = [
  ...commands,
  {
    name: 'variables come from the image and from the container, which wins, byte by byte',
    async run(trial) {
      const { reference } = await trial.subject.push('prod/entry:1', { config: image })
      await trial.subject.pull(reference)
      const values = {
        CHANGED: 'yes',
        EMPTY: '',
        EQUALS: 'a=b=c',
        LINES: 'one\ntwo',
        SPACES: '  x  ',
        UTF: 'ü',
      }
      const envs = Object.entries(values).map(([key, value]) => ({ key, value: Buffer.from(value) }))
      const containerId = await trial.waiting({ image: { image: reference }, envs })
      const script = 'cat /proc/1/environ | tr "\\0" "\\1"'
      const all = (await trial.exec(containerId, script)).split('\u0001')
      for (const one of ['KEPT=by the image', ...Object.entries(values).map((pair) => pair.join('='))]) {
        assert.ok(all.includes(one), `${one} is not in ${JSON.stringify(all)}`)
      }
      assert.equal(all.filter((one) => one.startsWith('CHANGED=')).length, 1)
    },
  },
  {
    name: 'a container starts where it says, where its image says, or at the root',
    async run(trial) {
      const { reference } = await trial.subject.push('prod/entry:1', { config: image })
      await trial.subject.pull(reference)
      const pod = trial.subject.pod
      assert.equal(await trial.printed('pwd', {}, pod), '/')
      assert.equal(await trial.printed('pwd', { image: { image: reference } }, pod), '/etc')
      const given = { image: { image: reference }, workingDir: '/bin' }
      assert.equal(await trial.printed('pwd', given, pod), '/bin')
      assert.equal(await trial.printed('pwd', { workingDir: '/made/for/it' }, pod), '/made/for/it')
    },
  },
  {
    name: 'a device of the node is where it was asked for, and others are not there',
    async run(trial) {
      const devices = [{ containerPath: '/dev/given', hostPath: '/dev/zero', permissions: 'rwm' }]
      const containerId = await trial.waiting({ devices })
      assert.equal(await trial.exec(containerId, 'head -c 3 /dev/given | wc -c'), '3')
      assert.equal(await trial.exec(containerId, 'test -e /dev/kmsg || echo none'), 'none')
      const names = 'null zero full random urandom tty ptmx pts fd stdin stdout stderr'
      await trial.exec(containerId, `for one in ${names}; do test -e /dev/$one || test -L /dev/$one; done`)
    },
  },
  {
    name: 'a command gives its output and exit code, as who and where the container is',
    async run(trial) {
      const containerId = await trial.waiting({
        workingDir: '/etc',
        envs: [{ key: 'GREETING', value: Buffer.from('ahoy') }],
        linux: security({ runAsUser: { value: 1000 } }),
      })
      const script = 'echo $GREETING; pwd; id -u; echo problem >&2; exit 3'
      const told = await trial.cri.call('ExecSync', { containerId, cmd: ['sh', '-c', script], timeout: 10 })
      assert.equal(told.stdout.toString(), 'ahoy\n/etc\n1000\n')
      assert.deepEqual([told.stderr.toString(), told.exitCode], ['problem\n', 3])
      const { stdout } = await trial.cri.call('ExecSync', {
        containerId,
        cmd: ['sh', '-c', 'head -c 1000000 /dev/zero'],
      })
      assert.equal(stdout.length, 1_000_000)
    },
  },
  {
    name: 'a command that takes longer than it may is killed, and its time is what is told',
    async run(trial) {
      const containerId = await trial.waiting()
      const began = performance.now()
      await assert.rejects(trial.cri.call('ExecSync', { containerId, cmd: ['sleep', '555'], timeout: 1 }), {
        code: 'DEADLINE_EXCEEDED',
      })
      assert.ok(performance.now() - began < 8_000)
      await until('the command still runs', async () =>
        (await trial.exec(containerId, 'ps -o args')).includes('sleep 555') ? undefined : true,
      )
    },
  },
  {
    name: 'a command whose program is not there is no command that failed',
    async run(trial) {
      const containerId = await trial.waiting()
      await assert.rejects(trial.cri.call('ExecSync', { containerId, cmd: ['/not-there'], timeout: 10 }), {
        message: /not-there/,
      })
    },
  },
]

export const containerChecks: readonly Check[] = [...lifecycle, ...use, ...processes]
