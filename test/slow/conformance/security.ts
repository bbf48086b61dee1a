import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { security, type Check, type Trial } from './trial.ts'

const accounts = {
  'etc/passwd': 'root:x:0:0:root:/:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n',
  'etc/group': 'root:x:0:\napp:x:1000:\nextra:x:3000:app\nmore:x:3001:app,root\n',
}

type Asked = Parameters<typeof security>[0]

/** Starts an image with several accounts. */
async function startAs(trial: Trial, asked: Asked, user = ''): Promise<string> {
  const { reference } = await trial.subject.push(`prod/accounts:${user.replace(':', '-') || 'none'}`, {
    config: { User: user },
    files: accounts,
  })
  await trial.subject.pull(reference)
  return trial.waiting({ image: { image: reference }, linux: security(asked) })
}

/** Who a container is: user, group and the groups that it is in, as the kernel sees them. */
async function whoIs(trial: Trial, containerId: string): Promise<string> {
  const text = await trial.exec(containerId, 'cat /proc/1/status')
  const read = (name: string): number[] =>
    (new RegExp(`^${name}:(.*)$`, 'm').exec(text)?.[1] ?? '').trim().split(/\s+/).map(Number)
  const [[uid], [gid], groups] = [read('Uid'), read('Gid'), read('Groups')]
  return `${uid}:${gid} in ${groups.toSorted((one, other) => one - other).join()}`
}

const users: readonly Check[] = (
  [
    [
      'of a number, is who the image says that it is',
      { runAsUser: { value: 1000 } },
      '1000:1000 in 1000,3000,3001',
    ],
    ['of a number that the image does not know', { runAsUser: { value: 4000 } }, '4000:0 in 0'],
    ['of a name', { runAsUsername: 'app' }, '1000:1000 in 1000,3000,3001'],
    [
      'of a number and a group, is in its other groups too',
      { runAsUser: { value: 1000 }, runAsGroup: { value: 2000 } },
      '1000:2000 in 2000,3000,3001',
    ],
    [
      'of a name and a group, is in its other groups too',
      { runAsUsername: 'app', runAsGroup: { value: 2000 } },
      '1000:2000 in 2000,3000,3001',
    ],
    [
      'with more groups, is in them as well',
      { runAsUser: { value: 1000 }, supplementalGroups: [5000, 3000] },
      '1000:1000 in 1000,3000,3001,5000',
    ],
    [
      'that is root, is in the groups of root',
      { runAsUser: { value: 0 }, supplementalGroups: [5000] },
      '0:0 in 0,3001,5000',
    ],
  ] as readonly (readonly [string, Asked, string])[]
).map(([said, asked, expected]) => ({
  name: `a user ${said}`,
  run: async (trial) => assert.equal(await whoIs(trial, await startAs(trial, asked)), expected),
}))

const policies: readonly Check[] = (
  [
    ['Merge', { runAsUser: { value: 1000 }, supplementalGroups: [5000] }, '1000:1000 in 1000,3000,3001,5000'],
    ['Strict', { runAsUser: { value: 1000 }, supplementalGroups: [5000] }, '1000:1000 in 1000,5000'],
    ['Strict', { runAsUser: { value: 1000 }, runAsGroup: { value: 2000 } }, '1000:2000 in 2000'],
  ] as readonly (readonly ['Merge' | 'Strict', Asked, string])[]
).map(([supplementalGroupsPolicy, asked, expected], index) => ({
  name: `groups are those of the policy ${supplementalGroupsPolicy}, and are told (${index + 1})`,
  notIn: ['containerd'],
  async run(trial) {
    assert.equal((await trial.cri.call('Status')).features?.supplementalGroupsPolicy, true)
    const containerId = await startAs(trial, { ...asked, supplementalGroupsPolicy })
    assert.equal(await whoIs(trial, containerId), expected)
    const { uid = 0, gid = 0, supplementalGroups = [] } = (await trial.status(containerId)).user?.linux ?? {}
    const groups = supplementalGroups.toSorted((one, other) => one - other)
    assert.equal(`${uid}:${gid} in ${groups.join()}`, expected)
  },
}))

const statusBits = (text: string, name: string): bigint =>
  BigInt(`0x${new RegExp(`^${name}:\\s+(\\w+)`, 'm').exec(text)?.[1] ?? '0'}`)

/** The numbers of capabilities (capabilities(7)). */
const bits = { CHOWN: 0n, NET_ADMIN: 12n, NET_RAW: 13n, SYS_ADMIN: 21n, SYS_TIME: 25n } as const
type Bit = keyof typeof bits

const capabilities: readonly Check[] = (
  [
    ['nothing', {}, ['CHOWN', 'NET_RAW'], ['NET_ADMIN', 'SYS_ADMIN', 'SYS_TIME']],
    ['NET_ADMIN to be added', { addCapabilities: ['NET_ADMIN'] }, ['CHOWN', 'NET_ADMIN'], ['SYS_ADMIN']],
    ['CHOWN to be dropped', { dropCapabilities: ['CHOWN'] }, ['NET_RAW'], ['CHOWN']],
    ['ALL to be added', { addCapabilities: ['ALL'] }, ['CHOWN', 'NET_ADMIN', 'SYS_ADMIN', 'SYS_TIME'], []],
    ['ALL to be dropped', { dropCapabilities: ['ALL'] }, [], ['CHOWN', 'NET_RAW', 'SYS_ADMIN']],
    [
      'ALL to be dropped but one',
      { dropCapabilities: ['ALL'], addCapabilities: ['NET_ADMIN'] },
      ['NET_ADMIN'],
      ['CHOWN', 'NET_RAW'],
    ],
    [
      'ALL to be added but one',
      { addCapabilities: ['ALL'], dropCapabilities: ['SYS_TIME'] },
      ['CHOWN', 'SYS_ADMIN'],
      ['SYS_TIME'],
    ],
  ] as readonly (readonly [string, NonNullable<Asked['capabilities']>, readonly Bit[], readonly Bit[]])[]
).map(([said, asked, has, lacks]) => ({
  name: `a container that asks for ${said} may do that and no more`,
  async run(trial) {
    const text = await trial.printed('cat /proc/self/status', { linux: security({ capabilities: asked }) })
    for (const set of ['CapBnd', 'CapEff', 'CapPrm']) {
      const held = statusBits(text, set)
      for (const name of has) assert.ok((held >> bits[name]) & 1n, `${name} is not in ${set}`)
      for (const name of lacks) assert.ok(!((held >> bits[name]) & 1n), `${name} is in ${set}`)
    }
    assert.equal(statusBits(text, 'CapInh') | statusBits(text, 'CapAmb'), 0n)
  },
}))

/** Refuses to make folders, and nothing else. */
const noFolders = {
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
}

const confinement: readonly Check[] = [
  {
    name: 'a container gets no more privileges when that was asked, and may when it was not',
    async run(trial) {
      for (const noNewPrivs of [true, false]) {
        const text = await trial.printed('cat /proc/self/status', { linux: security({ noNewPrivs }) })
        assert.match(text, new RegExp(`^NoNewPrivs:\\s+${noNewPrivs ? 1 : 0}$`, 'm'))
      }
    },
  },
  {
    name: 'the profile of system calls is the one that was asked for',
    async run(trial) {
      const localhostRef = join(trial.folder, 'profile.json')
      writeFileSync(localhostRef, JSON.stringify(noFolders))
      const script =
        'grep Seccomp: /proc/self/status; mkdir /made 2>/dev/null && echo made; unshare -U true 2>/dev/null && echo unshared; true'
      for (const [seccomp, expected] of [
        [{ profileType: 'Unconfined' }, /^Seccomp:\s+0\nmade\nunshared$/],
        [{ profileType: 'RuntimeDefault' }, /^Seccomp:\s+2\nmade$/],
        [{ profileType: 'Localhost', localhostRef }, /^Seccomp:\s+2\nunshared$/],
      ] as const) {
        assert.match(await trial.printed(script, { linux: security({ seccomp }) }), expected)
      }
      const seccomp = { profileType: 'Localhost', localhostRef: '/not-there.json' } as const
      const { pod } = trial.subject
      await assert.rejects(trial.create(pod, ['true'], { linux: security({ seccomp }) }))
    },
  },
  {
    name: 'a privileged container may do what the node may, and another may not',
    async run(trial) {
      const script =
        'mkdir -p /m; mount -t tmpfs x /m 2>/dev/null && echo mounted; echo 1 2>/dev/null > /proc/sys/vm/drop_caches && echo wrote; test -c /dev/kmsg && echo devices; test -w /sys/fs/cgroup && grep -q "/sys .*rw" /proc/mounts && echo groups; echo end'
      const asked = (privileged: boolean) => security({ privileged, readonlyPaths: ['/proc/sys'] })
      const pod = await trial.pod({ linux: { securityContext: asked(true).securityContext } })
      const free = await trial.printed(script, { linux: asked(true) }, pod)
      assert.equal(free, 'mounted\nwrote\ndevices\ngroups\nend')
      assert.equal(await trial.printed(script, { linux: asked(false) }, pod), 'end')
      const text = await trial.printed('cat /proc/self/status', { linux: asked(true) }, pod)
      for (const name of Object.values(bits)) assert.ok((statusBits(text, 'CapEff') >> name) & 1n)
      assert.match(text, /^Seccomp:\s+0$/m)
    },
  },
  {
    name: 'what is masked is empty, and what is only to be read is not written',
    async run(trial) {
      const script =
        'wc -c < /etc/passwd; ls /bin | wc -l; touch /etc/x 2>&- || echo refused; echo 1 2>&- > /proc/sys/vm/drop_caches || echo refused'
      const linux = security({
        maskedPaths: ['/etc/passwd', '/sys/firmware'],
        readonlyPaths: ['/etc', '/proc/sys'],
      })
      const more = { linux }
      assert.match(await trial.printed(script, more), /^0\n\d{2,}\nrefused\nrefused$/)
      assert.equal(await trial.printed('ls /sys/firmware; echo end', more), 'end')
    },
  },
  {
    name: 'a group without a user, and a user that the image does not have, are refused',
    async run(trial) {
      const { pod } = trial.subject
      for (const asked of [{ runAsGroup: { value: 1000 } }, { runAsUsername: 'nobody-here' }]) {
        const started = trial.start(pod, ['true'], { linux: security(asked) })
        await assert.rejects(started, JSON.stringify(asked))
      }
    },
  },
]

export const securityChecks: readonly Check[] = [
  ...users,
  {
    name: 'the user of an image is who runs',
    async run(trial) {
      assert.match(await whoIs(trial, await startAs(trial, {}, 'app')), /^1000:1000 in /)
      assert.match(await whoIs(trial, await startAs(trial, {}, '1000:2000')), /^1000:2000 in /)
    },
  },
  {
    name: 'a user has the home that the image says',
    async run(trial) {
      const { reference } = await trial.subject.push('prod/home:1', { files: accounts })
      await trial.subject.pull(reference)
      const more = { image: { image: reference } }
      const linux = security({ runAsUser: { value: 1000 } })
      assert.equal(await trial.printed('echo $HOME', { ...more, linux }), '/home/app')
    },
  },
  ...policies,
  ...capabilities,
  ...confinement,
]
