import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { after, before, describe, test } from 'node:test'
import { NodeLab, type CriClient } from '../fixtures/node-lab.ts'
import { seededRandom } from '../fixtures/seeded-random.ts'
import { findPeers, rootSkip } from '../peers/peer.ts'

const { skip: missing } = findPeers('runc', 'busybox')
const rounds = 20
const waitMs = 60_000

describe('SIGKILL at random points', { skip: missing || rootSkip() }, () => {
  let lab: NodeLab
  let image: string
  const seed = Number(process.env['PRATIQUE_TEST_SEED'] ?? Date.now() % 1_000_000)
  const random = seededRandom(seed)

  before(async () => {
    lab = await NodeLab.open()
    image = (await lab.push('prod/app:1')).reference
    await lab.setUp({ backends: [{ kind: 'engine', name: 'engine' }] })
    await lab.startAgent()
    await withAgent((cri) => cri.call('PullImage', { image: { image } }))
  })
  after(async () => {
    if (missing || rootSkip()) return
    await lab.close()
  })

  async function withAgent<Result>(use: (cri: CriClient) => Promise<Result>): Promise<Result> {
    const cri = lab.connect()
    try {
      return await use(cri)
    } finally {
      await cri.close()
    }
  }

  /** As far as the agent lives. */
  async function runOne(cri: CriClient): Promise<void> {
    const config = {
      metadata: { name: 'p', uid: crypto.randomUUID() },
      annotations: { 'pratique.dev/network': 'none' },
    }
    const { podSandboxId } = await cri.call('RunPodSandbox', { config })
    const { containerId } = await cri.call('CreateContainer', {
      podSandboxId,
      config: { metadata: { name: 'c' }, image: { image }, command: ['sleep', '7777'] },
    })
    await cri.call('StartContainer', { containerId })
    if (random() < 0.3) await cri.call('StopContainer', { containerId, timeout: 0 })
    if (random() < 0.3) await cri.call('RemovePodSandbox', { podSandboxId })
  }

  test(
    `of the agent and of shims lose nothing that ran, and leave nothing (seed ${seed})`,
    { timeout: 300_000 },
    async () => {
      for (let round = 0; round < rounds; round++) {
        await withAgent(async (cri) => {
          const working = Promise.allSettled([runOne(cri), runOne(cri)])
          await pause(random() * 500)
          if (random() < 0.4) killAShim(lab.folder, random)
          await lab.stopAgent('SIGKILL')
          await working
        })
        await lab.startAgent()
        await withAgent(agreesWithTheMachine)
      }
      await withAgent(async (cri) => {
        for (const { id } of (await cri.call('ListPodSandbox')).items) {
          await cri.call('RemovePodSandbox', { podSandboxId: id })
        }
        assert.deepEqual((await cri.call('ListContainers')).containers, [])
      })
      const deadline = performance.now() + waitMs
      while (leftovers(lab.folder).length > 0 && performance.now() < deadline) await pause(200)
      assert.deepEqual(leftovers(lab.folder), [])
    },
  )

  /** What the agent says that it runs, runs; and nothing runs that it does not know. */
  async function agreesWithTheMachine(cri: CriClient): Promise<void> {
    const deadline = performance.now() + waitMs
    for (;;) {
      const { containers } = await cri.call('ListContainers', {
        filter: { state: { state: 'CONTAINER_RUNNING' } },
      })
      const sleeping = processes(/^sleep 7777$/).length
      if (containers.length === sleeping) return
      assert.ok(performance.now() < deadline, `the agent knows ${containers.length}, and ${sleeping} run`)
      await pause(200)
    }
  }
})

function killAShim(folder: string, random: () => number): void {
  const shims = processes(/shim\/shim\.ts/).filter(({ line }) => line.includes(folder))
  const one = shims[Math.floor(random() * shims.length)]
  try {
    if (one) process.kill(one.pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}

function processes(pattern: RegExp): { readonly pid: number; readonly line: string }[] {
  return execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((text) => {
      const [, pid = '', line = ''] = /^\s*(\d+) (.*)$/.exec(text) ?? []
      return pattern.test(line) ? [{ pid: Number(pid), line }] : []
    })
}

function leftovers(folder: string): string[] {
  return [
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(folder)),
    ...processes(/^sleep 7777$|shim\/shim\.ts/)
      .map(({ line }) => line)
      .filter((line) => line.startsWith('sleep') || line.includes(folder)),
  ]
}
