import { systemCaller } from '../../identity/index.ts'
import { currentPolicy, findEffectivePolicy, listUncleared, mergeRunning } from '../../policy/index.ts'
import type { NodeAnswer, NodeReport } from '../wire.ts'
import type { EnrolledNode, NodeParts } from './enrol-node.ts'

/** What a node answers for, and what is written into the audit log of all. */
const auditedKinds = ['break-glass', 'evicted']
export const reportEverySeconds = 30

/**
 * Takes what a node says of itself and tells it which of its images are no longer cleared. A report that comes twice
 * changes nothing the second time: events have numbers, and the last one is kept.
 */
export async function receiveReport(
  parts: NodeParts,
  node: EnrolledNode,
  report: NodeReport,
): Promise<NodeAnswer> {
  const { database, clock, identity } = parts
  const now = clock.now()
  const lastEvent = await database.transaction().execute(async (transaction) => {
    const row = await transaction
      .selectFrom('node')
      .select('last_event')
      .where('id', '=', node.id)
      .executeTakeFirst()
    const before = row?.last_event ?? 0
    const fresh = report.events
      .filter(({ sequence }) => sequence > before)
      .toSorted((one, other) => one.sequence - other.sequence)
    for (const { kind, at, sequence, detail } of fresh) {
      if (!auditedKinds.includes(kind)) continue
      const image = typeof detail['image'] === 'string' ? detail['image'] : ''
      await identity.audit(transaction, systemCaller(`node ${node.name}`), `node.${kind}`, image, {
        ...detail,
        at,
        sequence,
      })
    }
    const last = fresh.at(-1)?.sequence ?? before
    await transaction
      .updateTable('node')
      .set({
        last_seen_at: now,
        agent_version: report.agentVersion,
        runtimes: JSON.stringify(report.runtimes),
        last_event: last,
      })
      .where('id', '=', node.id)
      .execute()
    await transaction.deleteFrom('running_container').where('node_id', '=', node.id).execute()
    const rows = report.running.map(({ startedAt, ...one }) => ({
      ...one,
      node_id: node.id,
      started_at: startedAt,
    }))
    for (let at = 0; at < rows.length; at += 500) {
      await transaction
        .insertInto('running_container')
        .values(rows.slice(at, at + 500))
        .execute()
    }
    return last
  })
  return {
    withdrawn: await listWithdrawn(parts, report),
    lastEvent,
    policyVersion: (await currentPolicy(database)).version,
    serverTime: now,
    reportEverySeconds,
  }
}

/** What only waits for its verdict again is not taken from a node that runs it: a scan is no reason to stop anything. */
async function listWithdrawn(
  parts: NodeParts,
  { running, cached }: NodeReport,
): Promise<NodeAnswer['withdrawn']> {
  const uncleared = await listUncleared(parts, [...running, ...cached])
  const withdrawn = uncleared.filter(({ state }) => state !== 'pending')
  const actions = new Map<string, 'report' | 'evict'>()
  for (const repository of new Set(withdrawn.map((one) => one.repository))) {
    const { levels } = await findEffectivePolicy(parts.database, repository)
    actions.set(repository, mergeRunning(levels)?.quarantined ?? 'report')
  }
  return withdrawn.map(({ repository, digest, reasons }) => ({
    repository,
    digest,
    reasons: [...reasons],
    action: actions.get(repository) ?? 'report',
  }))
}
