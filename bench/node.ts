/**
 * What the node's agent costs, measured beside what it stands in front of, interleaved, as root:
 * calls through the router against calls to containerd itself, pulls, memory with pods, and starts of the embedded engine
 * against `podman run`. Prints a table in Markdown.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectCri, type CriClient } from '../src/agent/cri/connect-cri.ts'
import { startCriContainerd } from '../test/fixtures/cri-containerd.ts'
import { NodeLab } from '../test/fixtures/node-lab.ts'

const rounds = 300
const pulls = 7
const starts = 15
const podCount = 100

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN
const ms = (value: number): string => `${value.toFixed(2)} ms`

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

/** Median of each, one after the other in every round. */
async function interleave(times: number, one: () => Promise<unknown>, other: () => Promise<unknown>) {
  const [first, second]: [number[], number[]] = [[], []]
  for (let round = 0; round < times; round++) {
    first.push(await timed(one))
    second.push(await timed(other))
  }
  return [median(first), median(second)] as const
}

const lab = await NodeLab.open()
const containerd = await startCriContainerd({
  program: execFileSync('which', ['containerd'], { encoding: 'utf8' }).trim(),
})
const filler = Object.fromEntries(
  Array.from({ length: 8 }, (_, index) => [`data/${index}`, randomText(4 << 20, index)]),
)
const { reference, image } = await lab.push('prod/app:1', { files: filler })
await lab.setUp({
  backends: [
    { kind: 'cri', name: 'containerd', socket: containerd.socket },
    { kind: 'engine', name: 'engine' },
  ],
})
const agent = await lab.startAgent()
const through = lab.connect()
const direct = connectCri(containerd.socket)
const rows: string[] = []
const row = (what: string, mine: string, theirs: string, note: string): void =>
  void rows.push(`| ${what} | ${mine} | ${theirs} | ${note} |`)

try {
  for (const call of ['Version', 'Status', 'ListPodSandbox', 'ListContainers', 'ImageFsInfo'] as const) {
    const [mine, theirs] = await interleave(
      rounds,
      () => through.call(call),
      () => direct.call(call),
    )
    row(`${call}, two runtimes behind`, ms(mine), ms(theirs), `+${(mine - theirs).toFixed(2)} ms`)
  }

  const pinned = `${lab.product.host}/prod/app@${image.digest}`
  const auth = lab.login
  const forget = async (client: CriClient): Promise<void> => {
    await client.call('RemoveImage', { image: { image: pinned } })
  }
  const [mine, theirs] = await interleavePulls(
    () => through.call('PullImage', { image: { image: reference }, auth }),
    () => direct.call('PullImage', { image: { image: pinned }, auth }),
    () => forget(direct),
  )
  row(
    'pull of 32 MB into containerd, verified',
    ms(mine),
    ms(theirs),
    `${((theirs / mine) * 100).toFixed(0)} % of its speed`,
  )

  await measurePods()
  await measureStarts()
  process.stdout.write(
    `| what | through the agent | without | |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`,
  )
} finally {
  await removeAll(through)
  await through.close()
  await direct.close()
  await lab.close()
  await containerd.stop()
}

async function interleavePulls(
  one: () => Promise<unknown>,
  other: () => Promise<unknown>,
  between: () => Promise<void>,
) {
  const [first, second]: [number[], number[]] = [[], []]
  for (let round = 0; round < pulls; round++) {
    first.push(await timed(one))
    await between()
    second.push(await timed(other))
    await between()
  }
  return [median(first), median(second)] as const
}

async function measurePods(): Promise<void> {
  const before = memoryOf(agent.pid ?? 0)
  for (let index = 0; index < podCount; index++)
    await through.call('RunPodSandbox', { config: podOf(`p${index}`, 'NODE') })
  await through.call('ListPodSandbox')
  const after = memoryOf(agent.pid ?? 0)
  row(
    `memory of the agent with ${podCount} pods`,
    `${after.all} MB, ${after.own} MB of its own`,
    '',
    `before: ${before.all} MB, ${before.own} MB`,
  )
  const [mine, theirs] = await interleave(
    rounds,
    () => through.call('ListPodSandbox'),
    () => direct.call('ListPodSandbox'),
  )
  row(`ListPodSandbox with ${podCount} pods`, ms(mine), ms(theirs), `+${(mine - theirs).toFixed(2)} ms`)
  await removeAll(through)
}

/** From nothing to a container that has ended: pod, container, start and end. */
async function measureStarts(): Promise<void> {
  const { imageRef } = await through.call('PullImage', {
    image: { image: reference, runtimeHandler: 'engine-runc' },
    auth: lab.login,
  })
  const archive = join(lab.folder, 'rootfs')
  mkdirSync(archive)
  execFileSync('sh', [
    '-c',
    `mkdir -p ${archive}/bin && cp /bin/busybox ${archive}/bin/true && tar -C ${archive} -c . | podman import - bench-true >/dev/null 2>&1`,
  ])
  const [mine, theirs] = await interleave(
    starts,
    () => runInEngine(imageRef),
    async () =>
      execFileSync(
        'podman',
        ['--runtime', 'runc', '--cgroup-manager', 'cgroupfs', 'run', '--rm', '--network=none'].concat([
          '--ulimit',
          'nofile=1024:1024',
          '--ulimit',
          'nproc=1000:1000',
          'bench-true',
          '/bin/true',
        ]),
        { stdio: 'ignore' },
      ),
  )
  row(
    'a runc container from nothing to its end, engine against podman run',
    ms(mine),
    ms(theirs),
    `${(mine / theirs).toFixed(2)} ×`,
  )
  execFileSync('podman', ['rmi', '--force', 'bench-true'], { stdio: 'ignore' })
}

async function runInEngine(imageRef: string): Promise<void> {
  const config = { ...podOf('start', undefined), annotations: { 'pratique.dev/network': 'none' } }
  const { podSandboxId } = await through.call('RunPodSandbox', { config, runtimeHandler: 'engine-runc' })
  const { containerId } = await through.call('CreateContainer', {
    podSandboxId,
    config: { metadata: { name: 'c' }, image: { image: imageRef }, command: ['/bin/true'] },
  })
  await through.call('StartContainer', { containerId })
  for (;;) {
    const { status } = await through.call('ContainerStatus', { containerId })
    if (status?.state === 'CONTAINER_EXITED') break
  }
  await through.call('RemovePodSandbox', { podSandboxId })
}

function podOf(name: string, network: 'NODE' | undefined) {
  return {
    metadata: { name, uid: crypto.randomUUID(), namespace: 'bench' },
    linux: network ? { securityContext: { namespaceOptions: { network } } } : {},
  }
}

async function removeAll(client: CriClient): Promise<void> {
  for (const { id } of (await client.call('ListPodSandbox')).items) {
    await client.call('StopPodSandbox', { podSandboxId: id })
    await client.call('RemovePodSandbox', { podSandboxId: id })
  }
}

/** Resident megabytes: all of them, and those that are no pages of files, which processes share. */
function memoryOf(pid: number): { readonly all: number; readonly own: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const read = (name: string): number =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024)
  return { all: read('VmRSS'), own: read('RssAnon') }
}

/** Bytes that do not shrink much, as those of real layers. */
function randomText(bytes: number, seed: number): string {
  let state = seed + 1
  const words = new Uint32Array(bytes / 8)
  for (let index = 0; index < words.length; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    words[index] = state
  }
  return Buffer.from(words.buffer).toString('hex')
}
