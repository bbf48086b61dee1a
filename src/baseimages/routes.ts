import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { Database, DatabaseTransaction } from '../database/index.ts'
import type { Identity } from '../identity/index.ts'
import type { Digest } from '../kernel/digest.ts'
import { BaseImageFailure } from './failures.ts'
import { BaseImage, BaseImageList, BaseImageParams, NewBaseImage } from './wire.ts'

/** A platform image that is to be a base, with the diff-ids that the scanner computed. */
export interface BaseCandidate {
  readonly repository: string
  readonly digest: Digest
  readonly platform: string
  /** Undefined: not scanned yet. */
  readonly diffIds: readonly string[] | undefined
}

export interface BaseImageParts {
  readonly database: Database
  readonly identity: Identity
  /** The platform images of `repository:tag`. Throws when there is no such image. */
  listCandidates(image: string): Promise<BaseCandidate[]>
  /** Has every image judged again, in the transaction of the change. */
  judgeAll(transaction: DatabaseTransaction): Promise<void>
}

/** Which image versions are approved as bases. */
export function baseImageRoutes(app: FastifyInstance, parts: BaseImageParts): void {
  const { database, identity } = parts
  const path = '/api/v1/base-images'
  const about = (operationId: string, summary: string): object => ({
    operationId,
    summary,
    tags: ['base images'],
  })

  app.get(
    path,
    { schema: { ...about('listBaseImages', 'Approved base images'), response: { 200: BaseImageList } } },
    async ({ caller }) => {
      await identity.requireSignIn(caller)
      const rows = await database
        .selectFrom('approved_base')
        .selectAll()
        .orderBy('name')
        .orderBy('approved_at')
        .execute()
      return { items: rows.map(show) }
    },
  )

  app.post<{ Body: Static<typeof NewBaseImage> }>(
    path,
    {
      schema: {
        ...about('approveBaseImage', 'Approve an image version as a base'),
        body: NewBaseImage,
        response: { 201: BaseImageList },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller)
      const candidates = await parts.listCandidates(body.image)
      const rows = candidates.map((candidate) =>
        rowOf(body, candidate, caller.principal.name, identity.clock.now()),
      )
      await database.transaction().execute(async (transaction) => {
        const taken = await transaction
          .selectFrom('approved_base')
          .select('id')
          .where('name', '=', body.name)
          .where('version', '=', body.version)
          .executeTakeFirst()
        if (taken) {
          throw new BaseImageFailure(
            'BASE_TAKEN',
            `${body.name} ${body.version} was approved before; give a new version`,
          )
        }
        await transaction.insertInto('approved_base').values(rows).execute()
        await identity.audit(transaction, caller, 'base-image.approve', `${body.name} ${body.version}`, {
          image: body.image,
        })
        await parts.judgeAll(transaction)
      })
      return reply.code(201).send({ items: rows.map(show) })
    },
  )

  app.delete<{ Params: Static<typeof BaseImageParams> }>(
    `${path}/:id`,
    {
      schema: {
        ...about('withdrawBaseImage', 'Withdraw an approval'),
        params: BaseImageParams,
        response: { 200: BaseImage },
      },
    },
    async ({ caller, params }) => {
      await identity.requireAdministrator(caller)
      return database.transaction().execute(async (transaction) => {
        const row = await transaction
          .updateTable('approved_base')
          .set({ withdrawn_at: identity.clock.now() })
          .where('id', '=', params.id)
          .where('withdrawn_at', 'is', null)
          .returningAll()
          .executeTakeFirst()
        if (!row) throw new BaseImageFailure('BASE_UNKNOWN', `there is no approved base ${params.id}`)
        await identity.audit(transaction, caller, 'base-image.withdraw', `${row.name} ${row.version}`)
        await parts.judgeAll(transaction)
        return show(row)
      })
    },
  )
}

function rowOf(
  wanted: Static<typeof NewBaseImage>,
  candidate: BaseCandidate,
  approvedBy: string,
  now: number,
) {
  if (candidate.diffIds === undefined || candidate.diffIds.length === 0) {
    throw new BaseImageFailure(
      'BASE_INVALID',
      `${candidate.repository}@${candidate.digest} has not been scanned, so its layers are not known; wait and try again`,
    )
  }
  return {
    id: randomUUID(),
    name: wanted.name,
    version: wanted.version,
    repository: candidate.repository,
    digest: candidate.digest,
    diff_ids: JSON.stringify(candidate.diffIds),
    platform: candidate.platform,
    approved_by: approvedBy,
    approved_at: now,
    withdrawn_at: null,
  }
}

function show(row: {
  id: string
  name: string
  version: string
  repository: string
  digest: string
  diff_ids: string
  platform: string
  approved_at: number
  withdrawn_at: number | null
}): Static<typeof BaseImage> {
  return {
    id: row.id,
    name: row.name,
    version: row.version,
    image: `${row.repository}@${row.digest}`,
    platform: row.platform,
    layers: (JSON.parse(row.diff_ids) as string[]).length,
    approvedAt: new Date(row.approved_at).toISOString(),
    ...(row.withdrawn_at === null ? {} : { withdrawnAt: new Date(row.withdrawn_at).toISOString() }),
  }
}
