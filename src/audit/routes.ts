import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import type { Database } from '../database/index.ts'
import { verifyAudit } from './verify-audit.ts'
import { AuditPage, AuditQuery, AuditReport, AuditVerifyQuery } from './wire.ts'

export interface AuditParts {
  readonly database: Database
  /** Throws unless the caller administers the whole installation. */
  requireAdministrator(request: FastifyRequest): Promise<void>
}

/** Reading the audit log and proving its chain. */
export function auditRoutes(app: FastifyInstance, parts: AuditParts): void {
  app.get<{ Querystring: Static<typeof AuditQuery> }>(
    '/api/v1/audit',
    {
      schema: {
        operationId: 'listAudit',
        summary: 'The audit log, newest first',
        tags: ['audit'],
        querystring: AuditQuery,
        response: { 200: AuditPage },
      },
    },
    async (request) => {
      await parts.requireAdministrator(request)
      return { items: await listAudit(parts.database, request.query) }
    },
  )
  app.get<{ Querystring: Static<typeof AuditVerifyQuery> }>(
    '/api/v1/audit/verify',
    {
      schema: {
        operationId: 'verifyAudit',
        summary: 'Proves that the chain of the audit log is whole',
        tags: ['audit'],
        querystring: AuditVerifyQuery,
        response: { 200: AuditReport },
      },
    },
    async (request) => {
      await parts.requireAdministrator(request)
      return verifyAudit(parts.database, request.query.head)
    },
  )
}

async function listAudit(
  database: Database,
  filter: Static<typeof AuditQuery>,
): Promise<Static<typeof AuditPage>['items']> {
  let query = database
    .selectFrom('audit_entry')
    .selectAll()
    .orderBy('sequence', 'desc')
    .limit(filter.n ?? 100)
  if (filter.before !== undefined) query = query.where('sequence', '<', filter.before)
  if (filter.action !== undefined) query = query.where('action', '=', filter.action)
  if (filter.object !== undefined) query = query.where('object', '=', filter.object)
  return (await query.execute()).map((row) => ({
    sequence: row.sequence,
    at: new Date(row.at).toISOString(),
    principal: row.principal,
    sourceAddress: row.source_address,
    action: row.action,
    object: row.object,
    detail: JSON.parse(row.detail) as Record<string, unknown>,
    hash: row.hash,
  }))
}
