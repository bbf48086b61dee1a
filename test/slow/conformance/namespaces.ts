import assert from 'node:assert/strict'
import { readlinkSync, writeFileSync, rmSync } from 'node:fs'
import { podSecurity, security, ownNetwork, type Check } from './trial.ts'

const own = (kind: string): string => readlinkSync(`/proc/self/ns/${kind}`)

export const namespaceChecks: readonly Check[] = [
  {
    name: 'containers of a pod share its network and its shared memory, and have processes of their own',
    async run(trial) {
      const pod = await trial.pod({ linux: podSecurity(ownNetwork) })
      const linux = security(ownNetwork)
      const [one, two] = [await trial.waiting({ linux }, pod), await trial.waiting({ linux }, pod)]
      for (const [kind, isShared] of [
        ['net', true],
        ['ipc', true],
        ['uts', true],
        ['pid', false],
        ['mnt', false],
      ] as const) {
        const script = `readlink /proc/1/ns/${kind}`
        const [mine, other] = [await trial.exec(one, script), await trial.exec(two, script)]
        assert.equal(mine === other, isShared, kind)
        assert.notEqual(mine, own(kind), kind)
      }
      await trial.exec(one, 'echo shared > /dev/shm/note')
      assert.equal(await trial.exec(two, 'cat /dev/shm/note'), 'shared')
      assert.equal(await trial.exec(one, 'cat /proc/1/comm'), 'sleep')
      await trial.exec(two, 'httpd -p 127.0.0.1:7000 -h /etc')
      assert.equal(await trial.exec(one, 'wget -q -O - http://127.0.0.1:7000/name'), 'prod/base:1')
    },
  },
  {
    name: 'a pod has shared memory of its own',
    async run(trial) {
      const [one, two] = [await trial.waiting(), await trial.waiting({}, await trial.pod())]
      await trial.exec(one, 'touch /dev/shm/note')
      assert.equal(await trial.exec(two, 'ls /dev/shm'), '')
      assert.notEqual(await trial.exec(one, 'readlink /proc/1/ns/ipc'), own('ipc'))
    },
  },
  {
    name: 'the network of the node is the one of the container where that was asked',
    async run(trial) {
      assert.equal(await trial.printed('readlink /proc/self/ns/net'), own('net'))
    },
  },
  {
    name: 'the processes of the node are seen where that was asked',
    async run(trial) {
      const options = { namespaceOptions: { pid: 'NODE' } } as const
      const pod = await trial.pod({ linux: podSecurity(options) })
      const containerId = await trial.waiting({ linux: security(options) }, pod)
      assert.equal(await trial.exec(containerId, 'readlink /proc/self/ns/pid'), own('pid'))
      assert.equal(await trial.exec(containerId, `test -d /proc/${process.pid} && echo seen`), 'seen')
      await trial.cri.call('StopContainer', { containerId, timeout: 0 })
      assert.equal((await trial.status(containerId)).exitCode, 137)
    },
  },
  {
    name: 'the shared memory of the node is the one of the container where that was asked',
    async run(trial) {
      const options = { namespaceOptions: { ipc: 'NODE' } } as const
      const pod = await trial.pod({ linux: podSecurity(options) })
      const containerId = await trial.waiting({ linux: security(options) }, pod)
      assert.equal(await trial.exec(containerId, 'readlink /proc/1/ns/ipc'), own('ipc'))
      const name = `conformance-${process.pid}`
      writeFileSync(`/dev/shm/${name}`, 'of the node')
      try {
        assert.equal(await trial.exec(containerId, `cat /dev/shm/${name}`), 'of the node')
      } finally {
        rmSync(`/dev/shm/${name}`)
      }
    },
  },
  {
    name: 'a container sees the processes of another one where that was asked',
    async run(trial) {
      const pod = await trial.pod()
      const targetId = await trial.waiting({}, pod)
      const linux = security({ namespaceOptions: { pid: 'TARGET', targetId } })
      const containerId = await trial.waiting({ linux }, pod)
      const script = 'readlink /proc/1/ns/pid'
      assert.equal(await trial.exec(containerId, script), await trial.exec(targetId, script))
      assert.equal((await trial.exec(containerId, 'ps -o args')).match(/sleep 1000/g)?.length, 2)
      await trial.cri.call('StopContainer', { containerId, timeout: 0 })
      assert.equal((await trial.status(targetId)).state, 'CONTAINER_RUNNING')
    },
  },
  {
    name: 'containers of a pod see the processes of one another where that was asked',
    async run(trial) {
      const options = { namespaceOptions: { pid: 'POD' } } as const
      const pod = await trial.pod({ linux: podSecurity(options) })
      const linux = security(options)
      const [one, two] = [await trial.waiting({ linux }, pod), await trial.waiting({ linux }, pod)]
      const script = 'readlink /proc/self/ns/pid'
      assert.equal(await trial.exec(one, script), await trial.exec(two, script))
      assert.equal((await trial.exec(one, 'ps -o args')).match(/sleep 1000/g)?.length, 2)
      assert.notEqual(await trial.exec(one, 'echo $$'), '1')
      await trial.cri.call('StopContainer', { containerId: two, timeout: 0 })
      assert.equal((await trial.exec(one, 'ps -o args')).match(/sleep 1000/g)?.length, 1)
      const again = await trial.waiting({ linux }, pod)
      assert.equal(await trial.exec(one, script), await trial.exec(again, script))
    },
  },
  {
    name: 'what a container leaves behind among shared processes ends with it',
    async run(trial) {
      const options = { namespaceOptions: { pid: 'POD' } } as const
      const pod = await trial.pod({ linux: podSecurity(options) })
      const linux = security(options)
      const other = await trial.waiting({ linux }, pod)
      const left = 'sleep 2000 & sleep 3000 & sleep 0.2'
      await trial.ended(await trial.start(pod, ['sh', '-c', left], { linux }))
      assert.doesNotMatch(await trial.exec(other, 'ps -o args'), /sleep [23]000/)
    },
  },
]
