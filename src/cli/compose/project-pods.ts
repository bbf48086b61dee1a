import { rmSync } from 'node:fs'
import type { CriClient } from '../../agent/serve.ts'
import { removePod } from '../containers/run-command.ts'
import { hostsFolder } from './hosts-files.ts'

/** Labels by which pods and containers of a project are known. */
export const labels = {
  project: 'pratique.dev/compose-project',
  service: 'pratique.dev/compose-service',
  hash: 'pratique.dev/compose-hash',
} as const

export interface Surroundings {
  readonly client: CriClient
  /** The agent's socket. */
  readonly socket: string
  readonly say: (line: string) => void
}

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

/** A pod of a project; one whose `up` was killed has no container. */
export interface ServicePod {
  readonly service: string
  readonly podId: string
  readonly containers: readonly RunningService[]
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

/** Pods of a project with what is in them; those that were made first come first. */
export async function listPods(client: CriClient, project: string): Promise<ServicePod[]> {
  const labelSelector = { [labels.project]: project }
  const { items } = await client.call('ListPodSandbox', { filter: { labelSelector } })
  const containers = await listServices(client, project)
  return items
    .toSorted((one, other) => one.createdAt - other.createdAt)
    .map(({ id, labels: own }) => ({
      service: own[labels.service] ?? '',
      podId: id,
      containers: containers.filter(({ podId }) => podId === id),
    }))
}

/** Ends a project, the last service first, and takes all of it away but its images. */
export async function removeProject(
  { client, socket, say }: Surroundings,
  project: string,
  graceSeconds: number,
): Promise<void> {
  const pods = await listPods(client, project)
  for (const { podId, service, containers } of pods.toReversed()) {
    for (const { containerId } of containers)
      await client.call('StopContainer', { containerId, timeout: graceSeconds })
    await removePod(client, socket, podId)
    say(`${service} removed`)
  }
  rmSync(hostsFolder(socket, project), { recursive: true, force: true })
}
