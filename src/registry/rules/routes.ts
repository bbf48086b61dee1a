import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { Identity } from '../../identity/index.ts'
import { isGlob } from '../../kernel/glob.ts'
import { RegistryFailure } from '../failures.ts'
import { collectGarbage, type GarbageCollectionParts } from '../garbage-collection/collect-garbage.ts'
import {
  GarbageReportBody,
  NewRepositoryRule,
  RepositoryRule,
  RepositoryRuleList,
  RepositoryRuleParams,
  RetentionReport,
  RunRequest,
} from '../wire.ts'
import { applyRetention, type RetentionParts } from './apply-retention.ts'

export interface MaintenanceParts extends RetentionParts, GarbageCollectionParts {
  readonly identity: Identity
}

/** Rules per repository pattern, retention, and garbage collection. */
export function maintenanceRoutes(app: FastifyInstance, parts: MaintenanceParts): void {
  const { database, identity } = parts
  const path = '/api/v1/repository-rules'
  const about = (operationId: string, summary: string): object => ({
    operationId,
    summary,
    tags: ['maintenance'],
  })

  app.get(
    path,
    {
      schema: {
        ...about('listRepositoryRules', 'Immutable tags and retention, where the caller administers'),
        response: { 200: RepositoryRuleList },
      },
    },
    async ({ caller }) => {
      const isTheirs = await identity.requireSomeAdministration(caller)
      const rows = await database.selectFrom('repository_rule').selectAll().orderBy('created_at').execute()
      return { items: rows.filter((row) => isTheirs(projectOfGlob(row.repository_glob))).map(show) }
    },
  )

  app.post<{ Body: Static<typeof NewRepositoryRule> }>(
    path,
    {
      schema: {
        ...about('createRepositoryRule', 'Fix tags, or say what is kept'),
        body: NewRepositoryRule,
        response: { 201: RepositoryRule },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller, projectOfGlob(body.repositories))
      if (!isGlob(body.repositories)) {
        throw new RegistryFailure(
          'RULE_INVALID',
          `${JSON.stringify(body.repositories)} is not a repository pattern such as prod/**`,
        )
      }
      const row = {
        id: randomUUID(),
        repository_glob: body.repositories,
        kind: body.kind,
        settings: JSON.stringify(body.settings),
        created_at: parts.clock.now(),
      }
      await database.transaction().execute(async (transaction) => {
        await transaction.insertInto('repository_rule').values(row).execute()
        await identity.audit(transaction, caller, 'repository-rule.create', row.repository_glob, { ...body })
      })
      return reply.code(201).send(show(row))
    },
  )

  app.delete<{ Params: Static<typeof RepositoryRuleParams> }>(
    `${path}/:id`,
    {
      schema: {
        ...about('deleteRepositoryRule', 'Remove a rule'),
        params: RepositoryRuleParams,
        response: { 200: RepositoryRule },
      },
    },
    async ({ caller, params }) => {
      const isTheirs = await identity.requireSomeAdministration(caller)
      return database.transaction().execute(async (transaction) => {
        const row = await transaction
          .selectFrom('repository_rule')
          .selectAll()
          .where('id', '=', params.id)
          .executeTakeFirst()
        // What belongs to others is answered as if it were not there.
        if (!row || !isTheirs(projectOfGlob(row.repository_glob))) {
          throw new RegistryFailure('RULE_UNKNOWN', `there is no rule ${params.id}`)
        }
        await transaction.deleteFrom('repository_rule').where('id', '=', params.id).execute()
        await identity.audit(transaction, caller, 'repository-rule.delete', row.repository_glob, {
          kind: row.kind,
        })
        return show(row)
      })
    },
  )

  app.post<{ Body: Static<typeof RunRequest> }>(
    '/api/v1/retention/run',
    {
      schema: {
        ...about('runRetention', 'Delete what no retention rule keeps'),
        body: RunRequest,
        response: { 200: RetentionReport },
      },
    },
    async ({ caller, body }) => {
      await identity.requireAdministrator(caller)
      return applyRetention(parts, caller, body.dryRun ?? false)
    },
  )

  app.post<{ Body: Static<typeof RunRequest> }>(
    '/api/v1/gc',
    {
      schema: {
        ...about('collectGarbage', 'Collect what nothing refers to'),
        body: RunRequest,
        response: { 200: GarbageReportBody },
      },
    },
    async ({ caller, body }) => {
      await identity.requireAdministrator(caller)
      const report = await collectGarbage(parts, body.dryRun ?? false)
      if (!report.dryRun) {
        await database
          .transaction()
          .execute((transaction) => identity.audit(transaction, caller, 'gc.run', 'registry', { ...report }))
      }
      return report
    },
  )
}

/** The project that a pattern stays inside of, if it names one. */
function projectOfGlob(glob: string): string | undefined {
  const [first = '', ...rest] = glob.split('/')
  return rest.length > 0 && !first.includes('*') ? first : undefined
}

function show(row: {
  id: string
  kind: string
  repository_glob: string
  settings: string
}): Static<typeof RepositoryRule> {
  const settings = JSON.parse(row.settings) as Record<string, unknown>
  return { id: row.id, kind: row.kind, repositories: row.repository_glob, settings }
}
