import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { Database, DatabaseTransaction } from '../database/index.ts'
import type { Identity } from '../identity/index.ts'
import { SigningFailure } from './failures.ts'
import { getServerKey } from './server-key.ts'
import { parsePublicKey } from './verify-payload.ts'
import { NewSigningKey, ServerKeyBody, SigningKey, SigningKeyList, SigningKeyParams } from './wire.ts'

export interface SigningParts {
  readonly database: Database
  readonly identity: Identity
  /** Has every image judged again, in the transaction of the change. */
  judgeAll(transaction: DatabaseTransaction): Promise<void>
}

/** The keys whose signatures count. */
export function signingRoutes(app: FastifyInstance, parts: SigningParts): void {
  const { database, identity } = parts
  const path = '/api/v1/signing-keys'
  const about = (operationId: string, summary: string): object => ({
    operationId,
    summary,
    tags: ['signing'],
  })

  app.get(
    path,
    {
      schema: {
        ...about('listSigningKeys', 'Keys whose signatures count'),
        response: { 200: SigningKeyList },
      },
    },
    async ({ caller }) => {
      await identity.requireSignIn(caller)
      const rows = await database.selectFrom('signing_key').selectAll().orderBy('name').execute()
      return { items: rows.map(show) }
    },
  )

  app.get(
    `${path}/server`,
    {
      schema: {
        ...about('getServerKey', 'The public key of what the server states itself, such as SBOMs'),
        response: { 200: ServerKeyBody },
      },
    },
    async () => ({ publicKey: (await getServerKey(database, identity.clock)).publicKeyPem }),
  )

  app.post<{ Body: Static<typeof NewSigningKey> }>(
    path,
    {
      schema: {
        ...about('addSigningKey', 'Trust a key'),
        body: NewSigningKey,
        response: { 201: SigningKey },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller)
      const public_key_pem = parsePublicKey(body.publicKey).export({ type: 'spki', format: 'pem' }) as string
      const row = { name: body.name, public_key_pem, created_at: identity.clock.now(), revoked_at: null }
      await database.transaction().execute(async (transaction) => {
        const taken = await transaction
          .selectFrom('signing_key')
          .select('name')
          .where('name', '=', row.name)
          .executeTakeFirst()
        if (taken)
          throw new SigningFailure('KEY_TAKEN', `there is a key ${row.name} already; names are not reused`)
        await transaction.insertInto('signing_key').values(row).execute()
        await identity.audit(transaction, caller, 'signing-key.add', row.name)
        await parts.judgeAll(transaction)
      })
      return reply.code(201).send(show(row))
    },
  )

  app.delete<{ Params: Static<typeof SigningKeyParams> }>(
    `${path}/:name`,
    {
      schema: {
        ...about('revokeSigningKey', 'Stop trusting a key, at once and for good'),
        params: SigningKeyParams,
        response: { 200: SigningKey },
      },
    },
    async ({ caller, params }) => {
      await identity.requireAdministrator(caller)
      return database.transaction().execute(async (transaction) => {
        const row = await transaction
          .updateTable('signing_key')
          .set({ revoked_at: identity.clock.now() })
          .where('name', '=', params.name)
          .where('revoked_at', 'is', null)
          .returningAll()
          .executeTakeFirst()
        if (!row) throw new SigningFailure('KEY_UNKNOWN', `there is no trusted key ${params.name}`)
        await identity.audit(transaction, caller, 'signing-key.revoke', row.name)
        await parts.judgeAll(transaction)
        return show(row)
      })
    },
  )
}

function show(row: {
  name: string
  public_key_pem: string
  created_at: number
  revoked_at: number | null
}): Static<typeof SigningKey> {
  return {
    name: row.name,
    publicKey: row.public_key_pem,
    createdAt: new Date(row.created_at).toISOString(),
    ...(row.revoked_at === null ? {} : { revokedAt: new Date(row.revoked_at).toISOString() }),
  }
}
