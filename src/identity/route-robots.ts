import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { checkGlob } from './check-glob.ts'
import { IdentityFailure } from './failures.ts'
import type { Identity } from './identity.ts'
import { bumpRevision } from './rights.ts'
import { hashSecret, makeSecret } from './secrets.ts'
import { robotPrefix, robotSecretPrefix } from './sign-in.ts'
import { Empty, IdParams, listOf, NewRobot, Robot, RobotChange, RobotWithSecret, Rotation } from './wire.ts'

const dayMs = 24 * 3_600_000
const minuteMs = 60_000

/** Robot accounts: names and secrets for machines, with an expiry and secrets that can be changed. */
export function robotRoutes(app: FastifyInstance, identity: Identity): void {
  const { database, clock } = identity

  app.get(
    '/api/v1/robots',
    { schema: { ...about('listRobots', 'All robot accounts'), response: { 200: listOf(Robot) } } },
    async ({ caller }) => {
      await identity.requireAdministrator(caller)
      const rows = await database.selectFrom('robot').selectAll().orderBy('name').execute()
      return { items: rows.map(showRobot) }
    },
  )

  app.post<{ Body: Static<typeof NewRobot> }>(
    '/api/v1/robots',
    {
      schema: {
        ...about('createRobot', 'Make a robot account; its secret is shown once'),
        body: NewRobot,
        response: { 201: RobotWithSecret },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller)
      const glob = checkGlob(body.repositories ?? '**')
      const secret = makeSecret(robotSecretPrefix)
      const now = clock.now()
      const row = {
        id: randomUUID(),
        name: body.name,
        description: body.description ?? '',
        secret_hash: hashSecret(secret),
        previous_secret_hash: null,
        previous_secret_until: null,
        expires_at: body.expiresInDays === undefined ? null : now + body.expiresInDays * dayMs,
        disabled: 0 as const,
        created_by: caller.principal.subject,
        created_at: now,
      }
      await database.transaction().execute(async (transaction) => {
        const taken = await transaction
          .selectFrom('robot')
          .select('id')
          .where('name', '=', row.name)
          .executeTakeFirst()
        if (taken) throw new IdentityFailure('NAME_TAKEN', `there is a robot ${row.name} already`)
        await transaction.insertInto('robot').values(row).execute()
        if (body.actions && body.actions.length > 0) {
          const binding = {
            id: randomUUID(),
            principal: `robot:${row.id}`,
            actions: JSON.stringify(body.actions),
          }
          await transaction
            .insertInto('role_binding')
            .values({ ...binding, project_id: null, repository_glob: glob, created_at: now })
            .execute()
        }
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'robot.create', row.name, {
          actions: body.actions ?? [],
          repositories: glob,
        })
      })
      return reply.code(201).send({ ...showRobot(row), secret })
    },
  )

  app.post<{ Params: Static<typeof IdParams>; Body: Static<typeof Rotation> }>(
    '/api/v1/robots/:id/rotate',
    {
      schema: {
        ...about('rotateRobot', 'Give a robot a new secret; the old one works for the overlap only'),
        params: IdParams,
        body: Rotation,
        response: { 200: RobotWithSecret },
      },
    },
    async ({ caller, params, body }) => {
      await identity.requireAdministrator(caller)
      const secret = makeSecret(robotSecretPrefix)
      const overlapMs = (body.overlapMinutes ?? 0) * minuteMs
      return database.transaction().execute(async (transaction) => {
        const before = await transaction
          .selectFrom('robot')
          .selectAll()
          .where('id', '=', params.id)
          .executeTakeFirst()
        if (!before) throw unknown(params.id)
        const change = {
          secret_hash: hashSecret(secret),
          previous_secret_hash: overlapMs > 0 ? before.secret_hash : null,
          previous_secret_until: overlapMs > 0 ? clock.now() + overlapMs : null,
        }
        await transaction.updateTable('robot').set(change).where('id', '=', params.id).execute()
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'robot.rotate', before.name, {
          overlapMinutes: body.overlapMinutes ?? 0,
        })
        return { ...showRobot(before), secret }
      })
    },
  )

  app.patch<{ Params: Static<typeof IdParams>; Body: Static<typeof RobotChange> }>(
    '/api/v1/robots/:id',
    {
      schema: {
        ...about('changeRobot', 'Disable, enable or describe a robot account'),
        params: IdParams,
        body: RobotChange,
        response: { 200: Robot },
      },
    },
    async ({ caller, params, body }) => {
      await identity.requireAdministrator(caller)
      return database.transaction().execute(async (transaction) => {
        const change = {
          ...(body.disabled === undefined ? {} : { disabled: body.disabled ? (1 as const) : (0 as const) }),
          description: body.description,
        }
        const row = await transaction
          .updateTable('robot')
          .set(change)
          .where('id', '=', params.id)
          .returningAll()
          .executeTakeFirst()
        if (!row) throw unknown(params.id)
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'robot.change', row.name, { ...body })
        return showRobot(row)
      })
    },
  )

  app.delete<{ Params: Static<typeof IdParams> }>(
    '/api/v1/robots/:id',
    {
      schema: {
        ...about('deleteRobot', 'Delete a robot account'),
        params: IdParams,
        response: { 204: Empty },
      },
    },
    async ({ caller, params }, reply) => {
      await identity.requireAdministrator(caller)
      await database.transaction().execute(async (transaction) => {
        const row = await transaction
          .deleteFrom('robot')
          .where('id', '=', params.id)
          .returning('name')
          .executeTakeFirst()
        if (!row) throw unknown(params.id)
        await transaction.deleteFrom('role_binding').where('principal', '=', `robot:${params.id}`).execute()
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'robot.delete', row.name)
      })
      return reply.code(204).send()
    },
  )
}

function unknown(id: string): IdentityFailure {
  return new IdentityFailure('ACCOUNT_UNKNOWN', `there is no robot ${id}`)
}

function showRobot(row: {
  id: string
  name: string
  description: string
  disabled: 0 | 1
  expires_at: number | null
  created_at: number
}): Static<typeof Robot> {
  return {
    id: row.id,
    name: row.name,
    loginName: `${robotPrefix}${row.name}`,
    description: row.description,
    disabled: row.disabled === 1,
    createdAt: new Date(row.created_at).toISOString(),
    ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at).toISOString() }),
  }
}

function about(
  operationId: string,
  summary: string,
): { operationId: string; summary: string; tags: string[] } {
  return { operationId, summary, tags: ['robots'] }
}
