import { closest, distance } from 'fastest-levenshtein'
import type { CriClient } from '../../agent/serve.ts'
import { CommandError, exitCodes } from '../client.ts'

/** Labels by which local containers are known. */
export const labels = { local: 'pratique.dev/local', name: 'pratique.dev/name' } as const

/** A container as the commands need it. */
export interface LocalContainer {
  readonly id: string
  readonly podId: string
  readonly name: string
  readonly image: string
  readonly state: string
  readonly createdAt: number
}

/** Where the agent's socket is: what the environment says, or where the agent of this account puts it. */
export async function agentSocket(): Promise<string> {
  const { placesOf } = await import('../../agent/serve.ts')
  return process.env['PRATIQUE_NODE_SOCKET'] ?? placesOf().socket
}

/** Talks to the agent of this machine; its refusals become errors with exit codes. */
export async function withAgent<Result>(
  use: (client: CriClient, socket: string) => Promise<Result>,
): Promise<Result> {
  const { connectCri, CriFailure } = await import('../../agent/serve.ts')
  const socket = await agentSocket()
  const client = connectCri(socket)
  try {
    return await use(client, socket)
  } catch (error) {
    if (!(error instanceof CriFailure)) throw error
    if (error.code === 'UNAVAILABLE' && error.message.includes(socket)) {
      throw new CommandError(`no agent answers at ${socket}; start it with: pratique node serve`)
    }
    throw new CommandError(
      error.message,
      error.code === 'PERMISSION_DENIED' ? exitCodes.policySaysNo : exitCodes.error,
    )
  } finally {
    await client.close()
  }
}

/** Containers of the node; only those that were started by `pratique run` when not all are wanted. */
export async function listContainers(client: CriClient, isEverything = false): Promise<LocalContainer[]> {
  const labelSelector = isEverything ? {} : { [labels.local]: 'true' }
  const { containers } = await client.call('ListContainers', { filter: { labelSelector } })
  return containers
    .map((one) => ({
      id: one.id,
      podId: one.podSandboxId,
      name: one.labels[labels.name] ?? one.metadata?.name ?? '',
      image: one.image?.userSpecifiedImage || one.imageRef || one.image?.image || '',
      state: one.state.replace('CONTAINER_', '').toLowerCase(),
      createdAt: one.createdAt / 1e6,
    }))
    .toSorted((one, other) => other.createdAt - one.createdAt)
}

/** By name, or by the beginning of an id. Throws `CommandError` that names the nearest. */
export async function getContainer(client: CriClient, wanted: string): Promise<LocalContainer> {
  const all = await listContainers(client, true)
  const named = all.find(({ name }) => name === wanted)
  if (named) return named
  const found = /^[0-9a-f]{3,64}$/.test(wanted) ? all.filter(({ id }) => id.startsWith(wanted)) : []
  if (found.length === 1) return found[0] as LocalContainer
  if (found.length > 1)
    throw new CommandError(`${wanted} fits in ${found.length} containers; give more of the id`)
  const names = all.map(({ name }) => name).filter((name) => name !== '')
  const nearest = names.length > 0 ? closest(wanted, names) : ''
  const hint = nearest !== '' && distance(wanted, nearest) <= 3 ? `; did you mean ${nearest}?` : ''
  throw new CommandError(`there is no container ${wanted}${hint}`)
}
