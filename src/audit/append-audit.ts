import { createHash } from 'node:crypto'
import type { DatabaseTransaction } from '../database/index.ts'

/** Something that was done, or tried, by whom and to what. */
export interface AuditEvent {
  /** When, in milliseconds since 1970. */
  readonly at: number
  /** The stable subject and the name people know: `user:<id> (alice)`. */
  readonly principal: string
  readonly sourceAddress: string
  /** `manifest.push`, `policy.apply`, `login.failed`, … */
  readonly action: string
  /** What it was done to. */
  readonly object: string
  /** More facts; never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>
}

/** The `previous_hash` of the first entry. */
export const chainStart = '0'.repeat(64)

/**
 * Adds an entry to the audit log in the transaction of the change itself: both are there or neither is. Each
 * entry's hash covers the hash before it, so that nothing can be altered or taken out unnoticed.
 */
export async function appendAudit(transaction: DatabaseTransaction, event: AuditEvent): Promise<void> {
  const last = await transaction
    .selectFrom('audit_entry')
    .select(['sequence', 'hash'])
    .orderBy('sequence', 'desc')
    .limit(1)
    .executeTakeFirst()
  const entry = {
    sequence: (last?.sequence ?? 0) + 1,
    at: event.at,
    principal: event.principal,
    source_address: event.sourceAddress,
    action: event.action,
    object: event.object,
    detail: JSON.stringify(event.detail ?? {}),
    previous_hash: last?.hash ?? chainStart,
  }
  await transaction
    .insertInto('audit_entry')
    .values({ ...entry, hash: hashEntry(entry) })
    .execute()
}

/** Hash of an entry: SHA-256 over its fields, in a fixed order, as a JSON array. */
export function hashEntry(entry: {
  readonly sequence: number
  readonly at: number
  readonly principal: string
  readonly source_address: string
  readonly action: string
  readonly object: string
  readonly detail: string
  readonly previous_hash: string
}): string {
  const fields = [
    entry.sequence,
    entry.at,
    entry.principal,
    entry.source_address,
    entry.action,
    entry.object,
    entry.detail,
    entry.previous_hash,
  ]
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex')
}
