import type { Database } from '../../database/index.ts'
import { listUncleared } from '../../policy/index.ts'
import type { NodeBody, NodeRuntime, RunningBody } from '../wire.ts'
import type { NodeParts } from './enrol-node.ts'

const digestsAtOnce = 500

/** Every node with its runtimes, by name. */
export async function listNodes(database: Database): Promise<NodeBody[]> {
  const rows = await database
    .selectFrom('node')
    .leftJoin('running_container', 'running_container.node_id', 'node.id')
    .selectAll('node')
    .select((expression) => expression.fn.count<number>('running_container.container').as('running'))
    .groupBy('node.id')
    .orderBy('node.name')
    .limit(10_000)
    .execute()
  return rows.map((row) => ({
    name: row.name,
    labels: JSON.parse(row.labels) as Record<string, string>,
    enrolledAt: row.enrolled_at,
    certificateExpiresAt: row.certificate_expires_at,
    ...(row.last_seen_at === null ? {} : { lastSeenAt: row.last_seen_at }),
    ...(row.agent_version === null ? {} : { agentVersion: row.agent_version }),
    runtimes: JSON.parse(row.runtimes) as NodeRuntime[],
    runningContainers: Number(row.running),
  }))
}

/**
 * What runs on all nodes, and what is held of it now; only what is not cleared, when that is asked. What this registry
 * does not have is not: it could not be pulled now, or was never pulled from here.
 */
export async function listRunning(parts: NodeParts, onlyUncleared: boolean): Promise<RunningBody[]> {
  const rows = await parts.database
    .selectFrom('running_container')
    .innerJoin('node', 'node.id', 'running_container.node_id')
    .selectAll('running_container')
    .select('node.name as node')
    .orderBy('node.name')
    .orderBy('pod')
    .limit(50_000)
    .execute()
  const uncleared = new Map(
    (await listUncleared(parts, rows)).map((one) => [`${one.repository}@${one.digest}`, one.reasons]),
  )
  const here = await findHere(parts.database, rows)
  return rows
    .map((row) => {
      const image = `${row.repository}@${row.digest}`
      const reasons =
        uncleared.get(image) ?? (here.has(image) ? undefined : ['unknown', 'this registry does not have it'])
      const { node, pod, container, repository, digest, handler, started_at: startedAt } = row
      const isCleared = reasons === undefined
      return {
        node,
        pod,
        container,
        repository,
        digest,
        handler,
        startedAt,
        isCleared,
        reasons: [...(reasons ?? [])],
      }
    })
    .filter(({ isCleared }) => !(onlyUncleared && isCleared))
}

/** Those of the images that are in their repository, as `repository@digest`. */
async function findHere(
  database: Database,
  images: readonly { readonly repository: string; readonly digest: string }[],
): Promise<ReadonlySet<string>> {
  const digests = [...new Set(images.map(({ digest }) => digest))]
  const found = new Set<string>()
  for (let at = 0; at < digests.length; at += digestsAtOnce) {
    const rows = await database
      .selectFrom('repository_manifest')
      .innerJoin('repository', 'repository.id', 'repository_manifest.repository_id')
      .select(['repository.name', 'repository_manifest.digest'])
      .where('repository_manifest.digest', 'in', digests.slice(at, at + digestsAtOnce))
      .execute()
    for (const { name, digest } of rows) found.add(`${name}@${digest}`)
  }
  return found
}
