import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { IdentityFailure } from './failures.ts'
import type { Identity } from './identity.ts'
import { bumpRevision } from './rights.ts'
import { hashPassword, hashSecret, makeSecret } from './secrets.ts'
import { personalTokenPrefix } from './sign-in.ts'
import { actions, type Action, type Caller } from './types.ts'
import {
  Empty,
  IdParams,
  listOf,
  NewPersonalToken,
  NewUser,
  OwnPassword,
  PersonalToken,
  PersonalTokenWithSecret,
  User,
  UserChange,
  WhoAmI,
} from './wire.ts'

const dayMs = 24 * 3_600_000

/** Users, one's own account, and personal access tokens. */
export function accountRoutes(app: FastifyInstance, identity: Identity): void {
  const { database, clock } = identity

  app.get(
    '/api/v1/users/me',
    describe('whoAmI', 'Who the credential in use belongs to', { 200: WhoAmI }),
    async ({ caller }) => {
      await identity.requireSignIn(caller)
      const { accounts } = await identity.currentRights()
      const administrator = accounts.get(caller.principal.subject)?.administrator ?? false
      const { name, kind } = caller.principal
      return { name, kind, administrator, sourceAddress: caller.sourceAddress }
    },
  )

  app.put<{ Body: Static<typeof OwnPassword> }>(
    '/api/v1/users/me/password',
    {
      schema: {
        ...about('changeOwnPassword', 'Change the own password'),
        body: OwnPassword,
        response: { 204: Empty },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireSignIn(caller)
      await identity.signIn.withPassword(caller.principal.name, body.current, caller.sourceAddress)
      await changeUser(
        caller,
        userIdOf(caller),
        { password_hash: await hashPassword(body.password) },
        'password',
      )
      return reply.code(204).send()
    },
  )

  app.get('/api/v1/users', describe('listUsers', 'All users', { 200: listOf(User) }), async ({ caller }) => {
    await identity.requireAdministrator(caller)
    const rows = await database.selectFrom('user_account').selectAll().orderBy('name').execute()
    return { items: rows.map(showUser) }
  })

  app.post<{ Body: Static<typeof NewUser> }>(
    '/api/v1/users',
    { schema: { ...about('createUser', 'Make a user'), body: NewUser, response: { 201: User } } },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller)
      const row = {
        id: randomUUID(),
        name: body.name,
        password_hash: await hashPassword(body.password),
        administrator: body.administrator ? (1 as const) : (0 as const),
        disabled: 0 as const,
        created_at: clock.now(),
      }
      await database.transaction().execute(async (transaction) => {
        const taken = await transaction
          .selectFrom('user_account')
          .select('id')
          .where('name', '=', row.name)
          .executeTakeFirst()
        if (taken) throw new IdentityFailure('NAME_TAKEN', `there is a user ${row.name} already`)
        await transaction.insertInto('user_account').values(row).execute()
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'user.create', row.name, {
          administrator: row.administrator === 1,
        })
      })
      return reply.code(201).send(showUser(row))
    },
  )

  app.patch<{ Params: Static<typeof IdParams>; Body: Static<typeof UserChange> }>(
    '/api/v1/users/:id',
    {
      schema: {
        ...about('changeUser', 'Change, disable or enable a user'),
        params: IdParams,
        body: UserChange,
        response: { 200: User },
      },
    },
    async ({ caller, params, body }) => {
      await identity.requireAdministrator(caller)
      const change = {
        ...(body.password === undefined ? {} : { password_hash: await hashPassword(body.password) }),
        ...(body.administrator === undefined
          ? {}
          : { administrator: body.administrator ? (1 as const) : (0 as const) }),
        ...(body.disabled === undefined ? {} : { disabled: body.disabled ? (1 as const) : (0 as const) }),
      }
      await changeUser(caller, params.id, change, Object.keys(body).join(', '))
      const row = await database
        .selectFrom('user_account')
        .selectAll()
        .where('id', '=', params.id)
        .executeTakeFirst()
      return showUser(row as NonNullable<typeof row>)
    },
  )

  app.delete<{ Params: Static<typeof IdParams> }>(
    '/api/v1/users/:id',
    { schema: { ...about('deleteUser', 'Delete a user'), params: IdParams, response: { 204: Empty } } },
    async ({ caller, params }, reply) => {
      await identity.requireAdministrator(caller)
      if (caller.principal.subject === `user:${params.id}`) {
        throw new IdentityFailure('ACCOUNT_INVALID', 'you cannot delete the account you are signed in with')
      }
      await database.transaction().execute(async (transaction) => {
        const row = await transaction
          .deleteFrom('user_account')
          .where('id', '=', params.id)
          .returning('name')
          .executeTakeFirst()
        if (!row) throw unknown(params.id)
        await transaction.deleteFrom('role_binding').where('principal', '=', `user:${params.id}`).execute()
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'user.delete', row.name)
      })
      return reply.code(204).send()
    },
  )

  app.get(
    '/api/v1/tokens',
    describe('listTokens', 'Own personal access tokens', { 200: listOf(PersonalToken) }),
    async ({ caller }) => {
      await identity.requireSignIn(caller)
      const rows = await database
        .selectFrom('personal_token')
        .selectAll()
        .where('user_id', '=', userIdOf(caller))
        .orderBy('created_at')
        .execute()
      return { items: rows.map(showToken) }
    },
  )

  app.post<{ Body: Static<typeof NewPersonalToken> }>(
    '/api/v1/tokens',
    {
      schema: {
        ...about('createToken', 'Make a personal access token; its secret is shown once'),
        body: NewPersonalToken,
        response: { 201: PersonalTokenWithSecret },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireSignIn(caller)
      const secret = makeSecret(personalTokenPrefix)
      const now = clock.now()
      const row = {
        id: randomUUID(),
        user_id: userIdOf(caller),
        name: body.name,
        secret_hash: hashSecret(secret),
        actions: JSON.stringify(withinLimits(caller, body.actions ?? [...actions])),
        expires_at: body.expiresInDays === undefined ? null : now + body.expiresInDays * dayMs,
        last_used_at: null,
        created_at: now,
      }
      await database.transaction().execute(async (transaction) => {
        await transaction.insertInto('personal_token').values(row).execute()
        await identity.audit(transaction, caller, 'token.create', row.name, { actions: row.actions })
      })
      return reply.code(201).send({ ...showToken(row), secret })
    },
  )

  app.delete<{ Params: Static<typeof IdParams> }>(
    '/api/v1/tokens/:id',
    {
      schema: {
        ...about('deleteToken', 'Revoke an own personal access token'),
        params: IdParams,
        response: { 204: Empty },
      },
    },
    async ({ caller, params }, reply) => {
      await identity.requireSignIn(caller)
      await database.transaction().execute(async (transaction) => {
        const row = await transaction
          .deleteFrom('personal_token')
          .where('id', '=', params.id)
          .where('user_id', '=', userIdOf(caller))
          .returning('name')
          .executeTakeFirst()
        if (!row) throw new IdentityFailure('ACCOUNT_UNKNOWN', `you have no token ${params.id}`)
        await identity.audit(transaction, caller, 'token.delete', row.name)
      })
      return reply.code(204).send()
    },
  )

  const changeUser = (
    caller: Caller,
    id: string,
    change: { password_hash?: string; administrator?: 0 | 1; disabled?: 0 | 1 },
    what: string,
  ): Promise<void> =>
    database.transaction().execute(async (transaction) => {
      const user = await transaction
        .selectFrom('user_account')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst()
      if (!user) throw unknown(id)
      if (Object.keys(change).length > 0) {
        await transaction.updateTable('user_account').set(change).where('id', '=', id).execute()
      }
      const administrators = await transaction
        .selectFrom('user_account')
        .select('id')
        .where('administrator', '=', 1)
        .where('disabled', '=', 0)
        .execute()
      if (administrators.length === 0) {
        throw new IdentityFailure('ACCOUNT_INVALID', 'this would leave no administrator who can sign in')
      }
      await bumpRevision(transaction)
      await identity.audit(transaction, caller, 'user.change', user.name, { what })
    })
}

/** A new token is never worth more than the credential it was asked with. */
function withinLimits(caller: Caller, wanted: readonly Action[]): Action[] {
  const { limits } = caller.principal
  const has = (action: Action): boolean =>
    !limits || limits.some((limit) => limit.repository === undefined && limit.actions.includes(action))
  return wanted.filter(has)
}

function userIdOf(caller: Caller): string {
  const [kind, id = ''] = caller.principal.subject.split(':')
  if (kind !== 'user') throw new IdentityFailure('DENIED', 'this is for users; a robot has its own secret')
  return id
}

function unknown(id: string): IdentityFailure {
  return new IdentityFailure('ACCOUNT_UNKNOWN', `there is no user ${id}`)
}

function showUser(row: {
  id: string
  name: string
  administrator: 0 | 1
  disabled: 0 | 1
  created_at: number
}): Static<typeof User> {
  return {
    id: row.id,
    name: row.name,
    administrator: row.administrator === 1,
    disabled: row.disabled === 1,
    createdAt: new Date(row.created_at).toISOString(),
  }
}

function showToken(row: {
  id: string
  name: string
  actions: string
  expires_at: number | null
  last_used_at: number | null
  created_at: number
}): Static<typeof PersonalToken> {
  return {
    id: row.id,
    name: row.name,
    actions: JSON.parse(row.actions) as Action[],
    createdAt: new Date(row.created_at).toISOString(),
    ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at).toISOString() }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: new Date(row.last_used_at).toISOString() }),
  }
}

function about(
  operationId: string,
  summary: string,
): { operationId: string; summary: string; tags: string[] } {
  return { operationId, summary, tags: ['accounts'] }
}

function describe(operationId: string, summary: string, response: object): { schema: object } {
  return { schema: { ...about(operationId, summary), response } }
}
