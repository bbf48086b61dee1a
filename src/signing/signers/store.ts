import type { Selectable } from 'kysely'
import type { Database, DatabaseTransaction, Tables } from '../../database/index.ts'
import type { Signer, SignerIdentity } from '../types.ts'

type Handle = Database | DatabaseTransaction

/** A signer with what is kept beside it. */
export interface StoredSigner extends Signer {
  readonly fingerprint: string
  /** Its VEX attestations are believed. */
  readonly vex: boolean
  readonly reason?: string
  readonly createdBy: string
  readonly createdAt: number
  readonly changedAt: number
}

/** All signers that were named, by name; the server's own is not among them. */
export async function listStoredSigners(database: Handle): Promise<StoredSigner[]> {
  return (await database.selectFrom('signer').selectAll().orderBy('name').execute()).map(fromRow)
}

export async function findStoredSigner(database: Handle, name: string): Promise<StoredSigner | undefined> {
  const row = await database.selectFrom('signer').selectAll().where('name', '=', name).executeTakeFirst()
  return row && fromRow(row)
}

export async function insertSigner(transaction: DatabaseTransaction, signer: StoredSigner): Promise<void> {
  await transaction.insertInto('signer').values(toRow(signer)).execute()
}

export async function updateSigner(transaction: DatabaseTransaction, signer: StoredSigner): Promise<void> {
  await transaction.updateTable('signer').set(toRow(signer)).where('name', '=', signer.name).execute()
}

function toRow(signer: StoredSigner): Selectable<Tables['signer']> {
  return {
    name: signer.name,
    identity: JSON.stringify(signer.identity),
    fingerprint: signer.fingerprint,
    state: signer.state,
    revoked_from: signer.revokedFrom ?? null,
    expires_at: signer.expiresAt ?? null,
    counts_as: signer.countsAs ?? null,
    vex: signer.vex ? 1 : 0,
    reason: signer.reason ?? null,
    created_by: signer.createdBy,
    created_at: signer.createdAt,
    changed_at: signer.changedAt,
  }
}

function fromRow(row: Selectable<Tables['signer']>): StoredSigner {
  return {
    name: row.name,
    identity: JSON.parse(row.identity) as SignerIdentity,
    fingerprint: row.fingerprint,
    state: row.state,
    vex: row.vex === 1,
    createdBy: row.created_by,
    createdAt: row.created_at,
    changedAt: row.changed_at,
    ...(row.revoked_from === null ? {} : { revokedFrom: row.revoked_from }),
    ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
    ...(row.counts_as === null ? {} : { countsAs: row.counts_as }),
    ...(row.reason === null ? {} : { reason: row.reason }),
  }
}
