import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MountPropagation } from '../../../src/agent/cri/cri-types.ts'
import { security, type Check, type Trial } from './trial.ts'

const containerPath = '/volume'

/** A folder that is a mount which tells others what is mounted below it; taken away when the work is done. */
async function withSharedFolder(trial: Trial, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = trial.makeFolder('shared')
  execFileSync('mount', ['-t', 'tmpfs', 'conformance', folder])
  try {
    execFileSync('mount', ['--make-rshared', folder])
    mkdirSync(join(folder, 'outer'))
    mkdirSync(join(folder, 'inner'))
    await work(folder)
  } finally {
    await trial.end()
    execFileSync('umount', ['--recursive', '--lazy', folder])
  }
}

const propagations: readonly Check[] = (
  [
    ['PROPAGATION_PRIVATE', 'neither into the container nor out of it', false, false],
    ['PROPAGATION_HOST_TO_CONTAINER', 'into the container', true, false],
    ['PROPAGATION_BIDIRECTIONAL', 'into the container and out of it', true, true],
  ] as readonly (readonly [MountPropagation, string, boolean, boolean])[]
).map(([propagation, where, comesIn, goesOut]) => ({
  name: `what is mounted later below a volume of ${propagation} is seen ${where}`,
  run: (trial) =>
    withSharedFolder(trial, async (hostPath) => {
      const mounts = [{ containerPath, hostPath, propagation }]
      const linux = security({ privileged: true })
      const pod = await trial.pod({ linux: { securityContext: { ...linux.securityContext } } })
      const containerId = await trial.waiting({ mounts, linux }, pod)
      execFileSync('mount', ['-t', 'tmpfs', 'conformance', join(hostPath, 'outer')])
      writeFileSync(join(hostPath, 'outer/file'), '')
      const found = await trial.exec(containerId, 'test -e /volume/outer/file && echo in || echo not')
      assert.equal(found === 'in', comesIn)
      await trial.exec(containerId, 'mount -t tmpfs conformance /volume/inner && touch /volume/inner/file')
      assert.equal(existsSync(join(hostPath, 'inner/file')), goesOut)
    }),
}))

export const volumeChecks: readonly Check[] = [
  ...propagations,
  {
    name: 'a folder of the node is read and written, and only read where that was asked',
    async run(trial) {
      const hostPath = trial.makeFolder('volume')
      writeFileSync(join(hostPath, 'note'), 'from outside')
      const mounts = [
        { containerPath, hostPath },
        { containerPath: '/fixed', hostPath, readonly: true },
      ]
      const containerId = await trial.waiting({ mounts })
      assert.equal(await trial.exec(containerId, 'cat /volume/note /fixed/note'), 'from outsidefrom outside')
      await trial.exec(containerId, 'echo from inside > /volume/answer')
      assert.equal(readFileSync(join(hostPath, 'answer'), 'utf8'), 'from inside\n')
      assert.equal(await trial.exec(containerId, 'touch /fixed/x 2>/dev/null || echo refused'), 'refused')
      const told = (await trial.status(containerId)).mounts
      const seen = Object.fromEntries(told.map((one) => [one.containerPath, [one.hostPath, one.readonly]]))
      assert.deepEqual(seen['/fixed'], [hostPath, true])
      assert.deepEqual(seen[containerPath], [hostPath, false])
    },
  },
  {
    name: 'a link on the node is followed to what it means',
    async run(trial) {
      const target = trial.makeFolder('target')
      writeFileSync(join(target, 'note'), 'at the end of the link')
      const hostPath = join(trial.folder, 'link')
      symlinkSync(target, hostPath)
      const containerId = await trial.waiting({ mounts: [{ containerPath, hostPath }] })
      assert.equal(await trial.exec(containerId, 'cat /volume/note'), 'at the end of the link')
    },
  },
  {
    name: 'a folder that the node does not have yet is made',
    async run(trial) {
      const hostPath = join(trial.folder, 'not/there/yet')
      const containerId = await trial.waiting({ mounts: [{ containerPath, hostPath }] })
      await trial.exec(containerId, 'touch /volume/file')
      assert.ok(statSync(hostPath).isDirectory())
      assert.ok(existsSync(join(hostPath, 'file')))
    },
  },
  {
    name: 'a single file is mounted over one of the image, and volumes inside of volumes are both there',
    async run(trial) {
      const [outer, inner] = [trial.makeFolder('outer'), trial.makeFolder('inner')]
      writeFileSync(join(trial.folder, 'hosts'), '10.1.2.3 given')
      writeFileSync(join(inner, 'note'), 'inside')
      const mounts = [
        { containerPath: '/volume/inner', hostPath: inner },
        { containerPath, hostPath: outer },
        { containerPath: '/etc/hosts', hostPath: join(trial.folder, 'hosts') },
      ]
      const containerId = await trial.waiting({ mounts })
      assert.equal(await trial.exec(containerId, 'cat /etc/hosts'), '10.1.2.3 given')
      assert.equal(await trial.exec(containerId, 'cat /volume/inner/note'), 'inside')
      assert.ok(existsSync(join(outer, 'inner')))
    },
  },
  {
    name: 'an image is mounted to be read, whole or in part',
    notIn: ['containerd'],
    async run(trial) {
      const image = { image: trial.subject.image }
      const mounts = [
        { containerPath, image, readonly: true },
        { containerPath: '/part', image, readonly: true, imageSubPath: 'bin' },
      ]
      const containerId = await trial.waiting({ mounts })
      assert.equal(await trial.exec(containerId, 'ls /volume/bin/busybox /part/busybox | wc -l'), '2')
      for (const path of ['/volume/x', '/part/x']) {
        assert.equal(await trial.exec(containerId, `touch ${path} 2>/dev/null || echo refused`), 'refused')
      }
      const missing = [{ containerPath, image, readonly: true, imageSubPath: '../../etc' }]
      await assert.rejects(trial.waiting({ mounts: missing }))
    },
  },
  {
    name: 'what is mounted below a volume is only read where it was asked at any depth',
    notIn: ['containerd'],
    run: (trial) =>
      withSharedFolder(trial, async (hostPath) => {
        execFileSync('mount', ['-t', 'tmpfs', 'conformance', join(hostPath, 'outer')])
        const fixed = { hostPath, readonly: true, recursiveReadOnly: true }
        const mounts = [
          { containerPath, hostPath, readonly: true },
          { ...fixed, containerPath: '/fixed' },
        ]
        const containerId = await trial.waiting({ mounts })
        const script =
          'touch /volume/outer/x && echo written; touch /fixed/outer/y 2>/dev/null || echo refused'
        assert.equal(await trial.exec(containerId, script), 'written\nrefused')
        for (const wrong of [{ readonly: false }, { propagation: 'PROPAGATION_BIDIRECTIONAL' }] as const) {
          await assert.rejects(trial.waiting({ mounts: [{ ...fixed, containerPath, ...wrong }] }))
        }
      }),
  },
  {
    name: 'the root file system is only read where that was asked, and volumes are written all the same',
    async run(trial) {
      const hostPath = trial.makeFolder('volume')
      const script = 'touch /x 2>/dev/null && echo written; touch /volume/x /dev/shm/x && echo volumes'
      const more = { mounts: [{ containerPath, hostPath }] }
      assert.equal(
        await trial.printed(script, { ...more, linux: security({ readonlyRootfs: true }) }),
        'volumes',
      )
      assert.equal(await trial.printed(script, more), 'written\nvolumes')
    },
  },
]
