/** The append-only, hash-chained log of everything that changed something or was refused. */
export { appendAudit, type AuditEvent } from './append-audit.ts'
export { auditRoutes, type AuditParts } from './routes.ts'
export { verifyAudit, type AuditVerification } from './verify-audit.ts'
