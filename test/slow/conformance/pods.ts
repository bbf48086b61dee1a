import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { ownNetwork, podSecurity, security, type Check } from './trial.ts'

export const unknownId = 'f'.repeat(64)

export const podChecks: readonly Check[] = [
  {
    name: 'the runtime tells its version, and that it and its network are ready',
    async run({ cri }) {
      const { runtimeApiVersion, runtimeName, runtimeVersion, version } = await cri.call('Version')
      assert.equal(runtimeApiVersion, 'v1')
      for (const one of [runtimeName, runtimeVersion, version]) assert.notEqual(one, '')
      const { status } = await cri.call('Status')
      const types = new Map(status?.conditions.map((one) => [one.type, one.status]))
      assert.equal(types.get('RuntimeReady'), true)
      assert.equal(types.get('NetworkReady'), true)
    },
  },
  {
    name: 'a pod is ready, then stopped, then gone',
    async run(trial) {
      const { cri } = trial
      const asked = {
        metadata: { name: 'whole', uid: crypto.randomUUID(), namespace: 'conformance', attempt: 3 },
        labels: { app: 'a', 'kubernetes.io/tier': 'b' },
        annotations: { note: 'with "quotes" and\nlines', empty: '' },
      }
      const { id: podSandboxId } = await trial.pod(asked)
      const { status } = await cri.call('PodSandboxStatus', { podSandboxId })
      const { metadata, labels, annotations } = status ?? {}
      assert.deepEqual({ metadata, labels, annotations }, asked)
      assert.deepEqual([status?.id, status?.state], [podSandboxId, 'SANDBOX_READY'])
      assert.ok(Math.abs((status?.createdAt ?? 0) / 1e6 - Date.now()) < 60_000)
      assert.equal(status?.linux?.namespaces?.options?.network, 'NODE')
      const list = async () => (await cri.call('ListPodSandbox', { filter: { id: podSandboxId } })).items
      const [listed] = await list()
      assert.deepEqual([listed?.metadata, listed?.labels, listed?.annotations], Object.values(asked))
      assert.equal(listed?.createdAt, status?.createdAt)
      await cri.call('StopPodSandbox', { podSandboxId })
      await cri.call('StopPodSandbox', { podSandboxId })
      assert.equal((await list())[0]?.state, 'SANDBOX_NOTREADY')
      await cri.call('RemovePodSandbox', { podSandboxId })
      await cri.call('RemovePodSandbox', { podSandboxId })
      assert.deepEqual(await list(), [])
      await assert.rejects(cri.call('PodSandboxStatus', { podSandboxId }), { code: 'NOT_FOUND' })
    },
  },
  {
    name: 'of what it does not know the runtime says so, except where removing it is asked',
    async run({ cri }) {
      const podSandboxId = unknownId
      await cri.call('RemovePodSandbox', { podSandboxId })
      for (const name of ['PodSandboxStatus', 'PodSandboxStats'] as const) {
        await assert.rejects(cri.call(name, { podSandboxId }), { code: /NOT_FOUND|UNKNOWN/ }, name)
      }
      await assert.rejects(cri.call('PodSandboxStatus', { podSandboxId }), { code: 'NOT_FOUND' })
      await assert.rejects(cri.call('PortForward', { podSandboxId, port: [80] }), { code: 'NOT_FOUND' })
      assert.deepEqual((await cri.call('ListPodSandbox', { filter: { id: podSandboxId } })).items, [])
    },
  },
  {
    name: 'pods are listed by id, by its beginning, by state and by labels',
    async run(trial) {
      const mark = crypto.randomUUID()
      const one = await trial.pod({ labels: { mark, role: 'one' } })
      const two = await trial.pod({ labels: { mark, role: 'two' } })
      await trial.cri.call('StopPodSandbox', { podSandboxId: two.id })
      const cases = [
        [{ id: one.id }, [one]],
        [{ id: two.id.slice(0, 20) }, [two]],
        [{ labelSelector: { mark } }, [one, two]],
        [{ labelSelector: { mark, role: 'two' } }, [two]],
        [{ labelSelector: { mark, role: 'three' } }, []],
        [{ labelSelector: { mark }, state: { state: 'SANDBOX_READY' } }, [one]],
        [{ labelSelector: { mark }, state: { state: 'SANDBOX_NOTREADY' } }, [two]],
        [{ id: one.id, labelSelector: { role: 'two' } }, []],
      ] as const
      for (const [filter, expected] of cases) {
        const { items } = await trial.cri.call('ListPodSandbox', { filter })
        const found = items.map(({ id }) => id).toSorted()
        assert.deepEqual(found, expected.map(({ id }) => id).toSorted(), JSON.stringify(filter))
      }
    },
  },
  {
    name: 'a pod that is removed while it runs takes its containers along',
    async run(trial) {
      const pod = await trial.pod()
      await trial.waiting({}, pod)
      await trial.create(pod, ['true'])
      await trial.cri.call('RemovePodSandbox', { podSandboxId: pod.id })
      const filter = { podSandboxId: pod.id }
      assert.deepEqual((await trial.cri.call('ListContainers', { filter })).containers, [])
      assert.deepEqual((await trial.cri.call('ListPodSandbox', { filter: { id: pod.id } })).items, [])
    },
  },
  {
    name: 'a pod that is stopped ends its containers',
    async run(trial) {
      const pod = await trial.pod()
      const containerId = await trial.waiting({}, pod)
      await trial.cri.call('StopPodSandbox', { podSandboxId: pod.id })
      assert.equal((await trial.status(containerId)).state, 'CONTAINER_EXITED')
    },
  },
  {
    name: 'a pod without metadata, or of a handler that there is not, is refused',
    async run({ cri }) {
      await assert.rejects(cri.call('RunPodSandbox', { config: { linux: podSecurity({}) } }))
      const config = {
        metadata: { name: 'x', uid: crypto.randomUUID(), namespace: 'conformance' },
        linux: podSecurity({}),
      }
      await assert.rejects(cri.call('RunPodSandbox', { runtimeHandler: 'no-such', config }))
    },
  },
  {
    name: 'settings of the kernel are those of the pod, in every container of it',
    async run(trial) {
      const sysctls = {
        'kernel.shm_rmid_forced': '1',
        'net.ipv4.ip_local_port_range': '1024\t64000',
        'fs.mqueue.msg_max': '12',
      }
      const pod = await trial.pod({ linux: { ...podSecurity(ownNetwork), sysctls } })
      for (const containerId of [
        await trial.waiting({ linux: security(ownNetwork) }, pod),
        await trial.waiting({ linux: security(ownNetwork) }, pod),
      ]) {
        for (const [name, value] of Object.entries(sysctls)) {
          assert.equal(await trial.exec(containerId, `cat /proc/sys/${name.replaceAll('.', '/')}`), value)
        }
      }
    },
  },
  {
    name: 'settings of the kernel for shared memory hold in the network of the node too',
    async run(trial) {
      const pod = await trial.pod({
        linux: { ...podSecurity({}), sysctls: { 'kernel.shm_rmid_forced': '1' } },
      })
      assert.equal(await trial.printed('cat /proc/sys/kernel/shm_rmid_forced', {}, pod), '1')
    },
  },
  {
    name: 'a pod with a network of its own has an address, a host name, and no device of the node',
    async run(trial) {
      const pod = await trial.pod({ hostname: 'one-pod', linux: podSecurity(ownNetwork) })
      const { status } = await trial.cri.call('PodSandboxStatus', { podSandboxId: pod.id })
      assert.match(status?.network?.ip ?? '', /^10\.215\./)
      assert.equal(status?.linux?.namespaces?.options?.network, 'POD')
      const containerId = await trial.waiting({ linux: security(ownNetwork) }, pod)
      assert.equal(await trial.exec(containerId, 'hostname'), 'one-pod')
      assert.equal(await trial.exec(containerId, 'echo $HOSTNAME'), 'one-pod')
      assert.equal(await trial.exec(containerId, 'cat /etc/hostname'), 'one-pod')
      assert.equal(await trial.exec(containerId, 'ls /sys/class/net | grep -cv lo'), '1')
      assert.match(await trial.exec(containerId, 'ip addr show eth0'), new RegExp(status?.network?.ip ?? '-'))
    },
  },
  {
    name: 'a pod in the network of the node has its devices and its name, and no address of its own',
    async run(trial) {
      const pod = await trial.pod()
      const { status } = await trial.cri.call('PodSandboxStatus', { podSandboxId: pod.id })
      assert.equal(status?.network?.ip ?? '', '')
      const containerId = await trial.waiting({}, pod)
      assert.equal(await trial.exec(containerId, 'hostname'), hostname())
      assert.equal(await trial.exec(containerId, 'echo $HOSTNAME'), hostname())
      const devices = readFileSync('/proc/self/net/dev', 'utf8')
      assert.match(await trial.exec(containerId, 'cat /proc/net/dev'), /lo:/)
      const [device = 'lo'] = devices.match(/^\s*\w+(?=:)/gm)?.map((one) => one.trim()) ?? []
      await trial.exec(containerId, `grep -q ${device}: /proc/net/dev`)
    },
  },
  {
    name: 'names are resolved as the pod says, and as the node does where it says nothing',
    async run(trial) {
      const pod = await trial.pod({
        dnsConfig: {
          servers: ['10.10.10.10', '10.10.10.11'],
          searches: ['one.example', 'two.example'],
          options: ['ndots:5', 'timeout:2'],
        },
      })
      assert.deepEqual((await trial.printed('cat /etc/resolv.conf', {}, pod)).split('\n').toSorted(), [
        'nameserver 10.10.10.10',
        'nameserver 10.10.10.11',
        'options ndots:5 timeout:2',
        'search one.example two.example',
      ])
      assert.equal(
        await trial.printed('cat /etc/resolv.conf'),
        readFileSync('/etc/resolv.conf', 'utf8').trimEnd(),
      )
    },
  },
  {
    name: 'what a pod uses is told, of one and of some',
    async run(trial) {
      const mark = crypto.randomUUID()
      const pod = await trial.pod({ labels: { mark } })
      await trial.pod()
      await trial.waiting({}, pod)
      const { stats } = await trial.cri.call('PodSandboxStats', { podSandboxId: pod.id })
      assert.equal(stats?.attributes?.id, pod.id)
      assert.deepEqual(stats?.attributes?.labels, { mark })
      assert.equal(stats?.linux?.containers.length, 1)
      for (const filter of [{ id: pod.id }, { labelSelector: { mark } }]) {
        const told = await trial.cri.call('ListPodSandboxStats', { filter })
        assert.deepEqual(
          told.stats.map(({ attributes }) => attributes?.id),
          [pod.id],
        )
      }
    },
  },
]
