import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { CriClient } from '../../../src/agent/cri/connect-cri.ts'
import type { ContainerConfig, ContainerStatus, PodSandboxConfig } from '../../../src/agent/cri/cri-types.ts'
import type { Loose } from '../../../src/agent/cri/protocol.ts'
import type { LayerFiles } from '../../fixtures/build-image.ts'

const waitMs = 20_000
const pollMs = 25
/** As the kubelet has one for each pod; statistics of pods are those of a group. */
export const cgroupParent = `/conformance-${process.pid}`

/** What holds the containers in the end. */
export type RuntimeName = 'containerd' | 'containerd-2' | 'engine'

/** Something that serves the CRI, and what a check needs to know of it. */
export interface Subject {
  readonly name: string
  readonly runtime: RuntimeName
  readonly socket: string
  readonly cri: CriClient
  /** Where logs and volumes go. */
  readonly folder: string
  /** Name of an image with all of busybox in it, which is there already. */
  readonly image: string
  /** Makes an image in the registry, and gives its name. */
  readonly push: (
    name: string,
    recipe?: { config?: Record<string, unknown>; files?: LayerFiles },
  ) => Promise<{ reference: string; digest: string }>
  readonly pull: (reference: string) => Promise<string>
  /** A pod in the network of the node, for containers that need no more. */
  readonly pod: Pod
}

/** Something that a kubelet relies on. */
export interface Check {
  readonly name: string
  /** Where it is not so, and is not meant to be. */
  readonly notIn?: readonly RuntimeName[]
  readonly run: (trial: Trial) => Promise<void>
}

export interface Pod {
  readonly id: string
  readonly config: Loose<PodSandboxConfig>
  readonly logs: string
}

type SandboxSecurity = NonNullable<NonNullable<Loose<PodSandboxConfig>['linux']>['securityContext']>
type Security = NonNullable<NonNullable<Loose<ContainerConfig>['linux']>['securityContext']>

/** One check on one subject: the pods that it makes, which go when it ends. */
export class Trial {
  readonly subject: Subject
  readonly cri: CriClient
  readonly folder: string
  readonly #podIds: string[] = []
  readonly #containerIds: string[] = []

  constructor(subject: Subject) {
    this.subject = subject
    this.cri = subject.cri
    this.folder = join(subject.folder, crypto.randomUUID())
    mkdirSync(this.folder)
  }

  /** A pod of its own, in the network of the node unless it says otherwise. */
  async pod(more: Loose<PodSandboxConfig> = {}): Promise<Pod> {
    const pod = await runPod(this.cri, this.folder, more)
    this.#podIds.push(pod.id)
    return pod
  }

  async create(pod: Pod, command: readonly string[], more: Loose<ContainerConfig> = {}): Promise<string> {
    const name = more.metadata?.name ?? crypto.randomUUID()
    const { containerId } = await this.cri.call('CreateContainer', {
      podSandboxId: pod.id,
      sandboxConfig: pod.config,
      config: {
        metadata: { name },
        image: { image: this.subject.image },
        command,
        logPath: `${name}.log`,
        linux: security({}),
        ...more,
      },
    })
    this.#containerIds.push(containerId)
    return containerId
  }

  async start(pod: Pod, command: readonly string[], more: Loose<ContainerConfig> = {}): Promise<string> {
    const containerId = await this.create(pod, command, more)
    await this.cri.call('StartContainer', { containerId })
    return containerId
  }

  /** A container that waits for what is asked of it. */
  waiting(more: Loose<ContainerConfig> = {}, pod?: Pod): Promise<string> {
    return this.start(pod ?? this.subject.pod, ['sleep', '1000'], more)
  }

  /** Runs a script as a container of its own, and gives all that it printed, without the last line end. */
  async printed(script: string, more: Loose<ContainerConfig> = {}, pod?: Pod): Promise<string> {
    const held = pod ?? this.subject.pod
    const name = crypto.randomUUID()
    const metadata = { name }
    await this.ended(await this.start(held, ['sh', '-c', script], { ...more, metadata }))
    return (await this.log(held, name)).trimEnd()
  }

  /** All that a container of this name has printed, once there is something. */
  log({ logs }: Pod, name: string): Promise<string> {
    const file = join(logs, `${name}.log`)
    return until('nothing is logged', () => {
      const text = existsSync(file) ? textOf(file) : ''
      return text === '' ? undefined : text
    })
  }

  /** What a script prints inside of a container. It has to succeed. */
  async exec(containerId: string, script: string): Promise<string> {
    const cmd = ['sh', '-c', script]
    const { stdout, stderr, exitCode } = await this.cri.call('ExecSync', { containerId, cmd, timeout: 10 })
    assert.equal(exitCode, 0, `${script}: ${stderr.toString()}`)
    return stdout.toString().trimEnd()
  }

  async status(containerId: string): Promise<ContainerStatus> {
    const { status } = await this.cri.call('ContainerStatus', { containerId })
    assert.ok(status)
    return status
  }

  async ended(containerId: string): Promise<ContainerStatus> {
    return until('the container has not ended', async () => {
      const status = await this.status(containerId)
      return status.state === 'CONTAINER_EXITED' ? status : undefined
    })
  }

  /** A folder of this check on the machine. */
  makeFolder(name: string): string {
    const path = join(this.folder, name)
    mkdirSync(path, { recursive: true })
    return path
  }

  /** As the kubelet does: again, when a runtime does not manage at once. */
  async end(): Promise<void> {
    for (const containerId of this.#containerIds) {
      await this.cri.call('RemoveContainer', { containerId }).catch(() => {})
    }
    for (const podSandboxId of this.#podIds) {
      await until(`the pod ${podSandboxId} is not removed`, async () => {
        try {
          await this.cri.call('StopPodSandbox', { podSandboxId }).catch(() => {})
          await this.cri.call('RemovePodSandbox', { podSandboxId })
          return true
        } catch {
          return undefined
        }
      })
    }
  }
}

export async function runPod(
  cri: CriClient,
  folder: string,
  more: Loose<PodSandboxConfig> = {},
): Promise<Pod> {
  const logs = join(folder, 'logs', crypto.randomUUID())
  const config = {
    metadata: { name: 'pod', uid: crypto.randomUUID(), namespace: 'conformance', attempt: 1 },
    logDirectory: logs,
    ...more,
    linux: { cgroupParent, ...(more.linux ?? podSecurity({})) },
  }
  const { podSandboxId: id } = await cri.call('RunPodSandbox', { config })
  return { id, config, logs }
}

/** What the kubelet says of every pod: a network, and that its containers have processes of their own. */
export function podSecurity({ namespaceOptions, ...more }: SandboxSecurity) {
  const options = { network: 'NODE', pid: 'CONTAINER', ...namespaceOptions } as const
  return { securityContext: { ...more, namespaceOptions: options } }
}

/** As `podSecurity`, of a container. */
export function security({ namespaceOptions, ...more }: Security) {
  const options = { network: 'NODE', pid: 'CONTAINER', ...namespaceOptions } as const
  return { securityContext: { ...more, namespaceOptions: options } }
}

/** A pod that has its own network, and is told by these words. */
export const ownNetwork = { namespaceOptions: { network: 'POD' } } as const

/** Asks again and again, until there is something. */
export async function until<Found>(
  complaint: string,
  find: () => Promise<Found | undefined> | Found | undefined,
): Promise<Found> {
  const deadline = performance.now() + waitMs
  for (;;) {
    const found = await find()
    if (found !== undefined) return found
    assert.ok(performance.now() < deadline, complaint)
    await pause(pollMs)
  }
}

/** A log in the form of the CRI as what was printed: a piece of a line has `P`, and the next one goes on. */
export function textOf(log: string): string {
  return readFileSync(log, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, tag, text = ''] = /^\S+ std(?:out|err) ([FP]) (.*)$/s.exec(line) ?? []
      return tag === undefined ? [] : [tag === 'F' ? `${text}\n` : text]
    })
    .join('')
}
