import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { AgentConfig } from '../../src/runtime/offline.ts'
import { connectCri } from '../../src/agent/cri/connect-cri.ts'
import { removeGroups } from '../../src/agent/engine/cgroups.ts'
import { startCriContainerd, type CriContainerd } from '../fixtures/cri-containerd.ts'
import { bridgeNetwork, NodeLab } from '../fixtures/node-lab.ts'
import { containerChecks } from './conformance/containers.ts'
import { imageChecks } from './conformance/images.ts'
import { namespaceChecks } from './conformance/namespaces.ts'
import { podChecks } from './conformance/pods.ts'
import { securityChecks } from './conformance/security.ts'
import { streamChecks } from './conformance/streams.ts'
import { cgroupParent, runPod, Trial, type RuntimeName, type Subject } from './conformance/trial.ts'
import { volumeChecks } from './conformance/volumes.ts'
import { findPeers, rootSkip } from '../peers/peer.ts'

const { skip: missing, paths } = findPeers('containerd', 'containerd-2', 'runc', 'busybox')
const skip = missing || rootSkip()

const checks = [
  ...imageChecks,
  ...podChecks,
  ...containerChecks,
  ...streamChecks,
  ...volumeChecks,
  ...securityChecks,
  ...namespaceChecks,
]

interface Served {
  readonly runtime: RuntimeName
  readonly isAgent: boolean
}
const engine: Served = { runtime: 'engine', isAgent: true }

/**
 * The containerds alone say what is expected; the agent has to be like what is behind it. With CRI_CONFORMANCE=all
 * they are asked again, which takes three minutes; else only what is ours is.
 */
const served: readonly Served[] =
  process.env['CRI_CONFORMANCE'] === 'all'
    ? [
        { runtime: 'containerd', isAgent: false },
        { runtime: 'containerd-2', isAgent: false },
        { runtime: 'containerd', isAgent: true },
        { runtime: 'containerd-2', isAgent: true },
        engine,
      ]
    : [engine]

/** So many checks at once: most of them wait for something. */
const concurrency = 2

describe('what a kubelet relies on', { skip }, () => {
  const bridge = `conf${process.pid}`
  const network = JSON.stringify(bridgeNetwork(bridge, `10.215.${process.pid % 250}.0/24`))
  let lab: NodeLab
  const containerds: Partial<Record<RuntimeName, CriContainerd>> = {}

  before(async () => {
    lab = await NodeLab.open()
    await lab.push('prod/base:1', { files: everyCommand() })
    for (const [name, program] of [
      ['containerd', paths.containerd],
      ['containerd-2', join(import.meta.dirname, '../../.peers/containerd-2/usr/bin/containerd')],
    ] as const) {
      if (!served.some(({ runtime }) => runtime === name)) continue
      const one = await startCriContainerd({ program })
      containerds[name] = one
      writeNetwork(join(one.folder, 'cni'))
    }
    writeNetwork(join(lab.folder, 'cni'))
  })
  after(async () => {
    if (skip) return
    await lab?.close()
    for (const one of Object.values(containerds)) await one.stop()
    execFileSync('sh', ['-c', `ip link delete ${bridge} 2>/dev/null || true`])
    rmSync(join('/var/lib/cni/networks', bridge), { recursive: true, force: true })
    removeGroups(cgroupParent)
  })

  function writeNetwork(folder: string): void {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, '10-bridge.conflist'), network)
  }

  const pushed = new Map<string, ReturnType<Subject['push']>>()
  const push: Subject['push'] = (name, recipe) => {
    const known = pushed.get(name)
    if (known) return known
    const pushing = (async () => {
      const { files, config } = recipe ?? {}
      const { reference, image } = await lab.push(name, {
        ...(config ? { config: { Env: ['PATH=/bin'], ...config } } : {}),
        files: { ...everyCommand(), ...files },
      })
      return { reference, digest: image.digest }
    })()
    pushed.set(name, pushing)
    return pushing
  }

  for (const { runtime, isAgent } of served) {
    const name = isAgent ? `the agent with ${runtime}` : `${runtime} alone`

    describe(name, { concurrency }, () => {
      let subject: Subject

      before(async () => {
        const folder = join(lab.folder, crypto.randomUUID())
        mkdirSync(folder)
        const socket = isAgent ? lab.socket : (containerds[runtime]?.socket ?? '')
        if (isAgent) {
          await lab.setUp({ state: join(folder, 'state'), backends: [backendOf(runtime)] })
          await lab.startAgent()
        }
        const cri = connectCri(socket)
        const image = `${lab.product.host}/prod/base:1`
        // The agent has an account of its own.
        const auth = isAgent ? {} : { auth: lab.login }
        const pull = async (reference: string) =>
          (await cri.call('PullImage', { image: { image: reference }, ...auth })).imageRef
        await pull(image)
        const pod = await runPod(cri, folder)
        subject = { name, runtime, socket, cri, folder, image, push, pull, pod }
      })
      after(async () => {
        await subject.cri.call('RemovePodSandbox', { podSandboxId: subject.pod.id })
        const { images } = await subject.cri.call('ListImages')
        for (const { id, repoTags } of images) {
          if (repoTags.some((tag) => tag.includes('/prod/'))) {
            await subject.cri.call('RemoveImage', { image: { image: id } })
          }
        }
        await subject.cri.close()
        if (isAgent) await lab.stopAgent()
      })

      for (const check of checks) {
        if (check.notIn?.includes(runtime)) continue
        test(check.name, async () => {
          const trial = new Trial(subject)
          try {
            await check.run(trial)
          } finally {
            await trial.end()
          }
        })
      }
    })
  }

  function backendOf(runtime: RuntimeName): NonNullable<AgentConfig['backends']>[number] {
    if (runtime === 'engine') {
      return {
        kind: 'engine',
        name: 'engine',
        runtimes: { runc: paths.runc },
        cniConfig: join(lab.folder, 'cni'),
        cniPlugins: ['/usr/lib/cni'],
      }
    }
    return { kind: 'cri', name: runtime, socket: containerds[runtime]?.socket ?? '' }
  }
})

/** All of busybox by name. */
function everyCommand() {
  const names = execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n')
  return Object.fromEntries(
    names
      .filter((name) => name !== 'busybox')
      .map((name) => [`bin/${name}`, { type: 'symlink' as const, linkname: 'busybox' }]),
  )
}
