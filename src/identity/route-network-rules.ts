import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { DatabaseTransaction } from '../database/index.ts'
import { checkGlob } from './check-glob.ts'
import { IdentityFailure } from './failures.ts'
import type { Identity } from './identity.ts'
import { bumpRevision, type NetworkCondition as Condition } from './rights.ts'
import { parseCidr } from './source-address.ts'
import { Empty, IdParams, listOf, NetworkRule, NewNetworkRule } from './wire.ts'

/** From where somebody may do something. */
export function networkRuleRoutes(app: FastifyInstance, identity: Identity): void {
  const { database, clock } = identity
  const path = '/api/v1/network-rules'
  app.get(
    path,
    {
      schema: {
        ...about('listNetworkRules', 'Network rules in their order'),
        response: { 200: listOf(NetworkRule) },
      },
    },
    async ({ caller }) => {
      await identity.requireAdministrator(caller)
      const { networkRules } = await identity.currentRights()
      return { items: networkRules.map((rule, index) => ({ ...rule, position: index + 1 })) }
    },
  )

  app.post<{ Body: Static<typeof NewNetworkRule> }>(
    path,
    {
      schema: {
        ...about('createNetworkRule', 'Add a network rule'),
        body: NewNetworkRule,
        response: { 201: NetworkRule },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller)
      checkCondition(body.condition)
      const id = randomUUID()
      const comment = body.comment ?? ''
      const position = await database.transaction().execute(async (transaction) => {
        const order = await transaction.selectFrom('network_rule').select('id').orderBy('position').execute()
        const at = Math.min(body.position ?? order.length + 1, order.length + 1)
        const row = { id, effect: body.effect, condition: JSON.stringify(body.condition), comment }
        await transaction
          .insertInto('network_rule')
          .values({ ...row, position: at, created_at: clock.now() })
          .execute()
        const ids = order.map((rule) => rule.id).toSpliced(at - 1, 0, id)
        await renumber(transaction, ids)
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'network-rule.create', id, { ...body })
        return at
      })
      return reply.code(201).send({ id, position, effect: body.effect, condition: body.condition, comment })
    },
  )

  app.delete<{ Params: Static<typeof IdParams> }>(
    `${path}/:id`,
    {
      schema: {
        ...about('deleteNetworkRule', 'Remove a network rule'),
        params: IdParams,
        response: { 204: Empty },
      },
    },
    async ({ caller, params }, reply) => {
      await identity.requireAdministrator(caller)
      await database.transaction().execute(async (transaction) => {
        const row = await transaction
          .deleteFrom('network_rule')
          .where('id', '=', params.id)
          .returningAll()
          .executeTakeFirst()
        if (!row) throw new IdentityFailure('RULE_UNKNOWN', `there is no network rule ${params.id}`)
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'network-rule.delete', row.id, { condition: row.condition })
      })
      return reply.code(204).send()
    },
  )
}

async function renumber(transaction: DatabaseTransaction, ids: readonly string[]): Promise<void> {
  for (const [index, id] of ids.entries()) {
    await transaction
      .updateTable('network_rule')
      .set({ position: index + 1 })
      .where('id', '=', id)
      .execute()
  }
}

function checkCondition(condition: Condition): void {
  for (const cidr of [...(condition.from ?? []), ...(condition.notFrom ?? [])]) parseCidr(cidr)
  for (const glob of condition.repositories ?? []) checkGlob(glob)
}

function about(
  operationId: string,
  summary: string,
): { operationId: string; summary: string; tags: string[] } {
  return { operationId, summary, tags: ['access'] }
}
