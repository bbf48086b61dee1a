import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { CriClient } from '../../agent/serve.ts'
import { CommandError } from '../client.ts'
import { bringImage, removePod, statusOf } from '../containers/run-command.ts'
import { containerConfig, podConfig, type RunOptions } from '../containers/run-options.ts'
import type { Project, Service } from './read-project.ts'

const pollMs = 200
const labels = {
  project: 'pratique.dev/compose-project',
  service: 'pratique.dev/compose-service',
  hash: 'pratique.dev/compose-hash',
} as const

/** A container of a project, as the agent has it. */
export interface RunningService {
  readonly service: string
  readonly podId: string
  readonly containerId: string
  readonly name: string
  readonly image: string
  readonly state: string
  /** Of what it was made from. */
  readonly hash: string
  readonly createdAt: number
}

/** Containers of a project; those that were made first come first. */
export async function listServices(client: CriClient, project: string): Promise<RunningService[]> {
  const labelSelector = { [labels.project]: project }
  const { containers } = await client.call('ListContainers', { filter: { labelSelector } })
  return containers
    .map((one) => ({
      service: one.labels[labels.service] ?? '',
      podId: one.podSandboxId,
      containerId: one.id,
      name: one.metadata?.name ?? '',
      image: one.image?.userSpecifiedImage || one.imageRef,
      state: one.state.replace('CONTAINER_', '').toLowerCase(),
      hash: one.labels[labels.hash] ?? '',
      createdAt: one.createdAt / 1e6,
    }))
    .toSorted((one, other) => one.createdAt - other.createdAt)
}

interface Wanted extends Service {
  readonly imageRef: string
  readonly options: RunOptions
  readonly fullName: string
  readonly hash: string
}

export interface Surroundings {
  readonly client: CriClient
  /** The agent's socket. */
  readonly socket: string
  readonly say: (line: string) => void
}

/**
 * Starts what does not run as the file has it, and leaves the rest. All images are cleared and here before anything is
 * started; when one service does not start, those that were started for it are taken away again.
 */
export async function startProject(parts: Surroundings, project: Project): Promise<void> {
  const { client, socket, say } = parts
  const wanted: Wanted[] = []
  for (const service of project.services) wanted.push(await prepare(parts, project.name, service))
  const before = await listServices(client, project.name)
  const isKept = ({ service, hash, state }: RunningService): boolean =>
    wanted.some((one) => one.name === service && one.hash === hash && isDone(project, one.name, state))
  for (const one of before.filter((old) => !isKept(old))) {
    if (project.services.some(({ name }) => name === one.service)) await removePod(client, one.podId)
    else say(`${one.service} is not in the file any more; pratique compose down takes it away`)
  }
  const kept = before.filter(isKept)
  const logFolder = join(dirname(socket), 'logs')
  mkdirSync(logFolder, { recursive: true, mode: 0o755 })
  const missing = wanted.filter(({ name }) => !kept.some(({ service }) => service === name))
  const pods = new Map(kept.map(({ service, podId }) => [service, podId]))
  const made: string[] = []
  try {
    const sandboxes = new Map<string, ReturnType<typeof podConfig>>()
    for (const { name, fullName, options } of missing) {
      const config = podConfig(options, fullName, logFolder)
      const { podSandboxId } = await client.call('RunPodSandbox', {
        config,
        runtimeHandler: options.handler ?? '',
      })
      made.push(podSandboxId)
      pods.set(name, podSandboxId)
      sandboxes.set(name, config)
    }
    await writeHosts(parts, project, pods)
    for (const one of missing) {
      await waitFor(client, project.name, one)
      const { containerId } = await client.call('CreateContainer', {
        podSandboxId: pods.get(one.name) ?? '',
        sandboxConfig: sandboxes.get(one.name) ?? null,
        config: containerConfig(
          withHosts(one.options, hostsFile(socket, project.name, one.options.network)),
          one.fullName,
          { ref: one.imageRef, named: one.image },
          one.command,
        ),
      })
      await client.call('StartContainer', { containerId })
      say(`${one.name} started`)
    }
  } catch (error) {
    for (const podId of made.toReversed()) await removePod(client, podId).catch(() => {})
    throw error
  }
}

/** Ends a project, the last service first, and takes all of it away but its images. */
export async function removeProject(
  { client, socket, say }: Surroundings,
  project: string,
  graceSeconds: number,
): Promise<void> {
  const all = (await listServices(client, project)).toReversed()
  for (const { containerId, podId, service } of all) {
    await client.call('StopContainer', { containerId, timeout: graceSeconds })
    await removePod(client, podId)
    say(`${service} removed`)
  }
  rmSync(hostsFolder(socket, project), { recursive: true, force: true })
}

async function prepare({ client, socket }: Surroundings, project: string, service: Service): Promise<Wanted> {
  const { imageRef, isolation } = await bringImage(client, socket, service.image, service.options)
  const { options } = service
  const needs = isolation !== '' && !options.handler ? { isolation, ...options } : options
  const hash = createHash('sha256')
    .update(JSON.stringify([imageRef, service.command, needs]))
    .digest('hex')
    .slice(0, 16)
  const own = [`${labels.project}=${project}`, `${labels.service}=${service.name}`, `${labels.hash}=${hash}`]
  return {
    ...service,
    imageRef,
    hash,
    fullName: `${project}-${service.name}`,
    options: { ...needs, label: [...(options.label ?? []), ...own] },
  }
}

/** What others wait for to have ended well is done when it has ended. */
function isDone({ services }: Project, name: string, state: string): boolean {
  const isTask = services.some(({ dependsOn }) => dependsOn.get(name) === true)
  return state === 'running' || (isTask && state === 'exited')
}

async function waitFor(client: CriClient, project: string, { name, dependsOn }: Service): Promise<void> {
  for (const [other, hasToEnd] of dependsOn) {
    if (!hasToEnd) continue
    const found = (await listServices(client, project)).find(({ service }) => service === other)
    for (;;) {
      const { state, exitCode } = await statusOf(client, found?.containerId ?? '')
      if (state === 'CONTAINER_EXITED' && exitCode === 0) break
      if (state === 'CONTAINER_EXITED') {
        throw new CommandError(
          `${other}, which ${name} waits for, ended with ${exitCode}; see pratique compose logs ${other}`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
  }
}

function hostsFolder(socket: string, project: string): string {
  return join(dirname(socket), 'compose', project)
}

/** Services in the network of the machine find each other on it, those in pods by the addresses of these. */
function hostsFile(socket: string, project: string, network: RunOptions['network']): string | undefined {
  return network === 'none' ? undefined : join(hostsFolder(socket, project), `hosts-${network}`)
}

/** Written into the files that are there already: what runs has them mounted. */
async function writeHosts(
  { client, socket }: Surroundings,
  project: Project,
  pods: ReadonlyMap<string, string>,
): Promise<void> {
  const folder = hostsFolder(socket, project.name)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  const lines: Record<'pod' | 'host', string[]> = { pod: [], host: [] }
  for (const { name, options } of project.services) {
    if (options.network === 'host') lines.host.push(`127.0.0.1 ${name}`)
    if (options.network !== 'pod') continue
    const { status } = await client.call('PodSandboxStatus', { podSandboxId: pods.get(name) ?? '' })
    const address = status?.network?.ip ?? ''
    if (address === '') continue
    lines.pod.push(`${address} ${name}`)
    lines.host.push(`${address} ${name}`)
  }
  for (const kind of ['pod', 'host'] as const) {
    const text = ['127.0.0.1 localhost', '::1 localhost', ...lines[kind], ''].join('\n')
    writeFileSync(join(folder, `hosts-${kind}`), text, { mode: 0o644 })
  }
}

function withHosts(options: RunOptions, file: string | undefined): RunOptions {
  const { volume = [], wasm = false } = options
  const isOwn = volume.some((one) => one.split(':')[1] === '/etc/hosts')
  return file === undefined || isOwn || wasm
    ? options
    : { ...options, volume: [...volume, `${file}:/etc/hosts`] }
}
