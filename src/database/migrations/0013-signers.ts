import { createHash, createPublicKey } from 'node:crypto'
import type { Kysely, Migration } from 'kysely'

interface Before {
  signing_key: { name: string; public_key_pem: string; created_at: number; revoked_at: number | null }
  vex_signer: {
    name: string
    public_key_pem: string
    added_by: string
    created_at: number
    removed_at: number | null
  }
  signer: Record<string, unknown>
}

/**
 * Signers of every kind in one table, in place of keys for images and keys for VEX. With them who is known to have
 * signed which image, and the tags under which an image can be pulled where a policy binds signatures to tags.
 */
export const signers: Migration = {
  async up(untyped: Kysely<unknown>) {
    const { schema } = untyped
    const database = untyped as Kysely<Before>
    await schema
      .createTable('signer')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('identity', 'text', (column) => column.notNull())
      .addColumn('fingerprint', 'text', (column) => column.notNull().unique())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('revoked_from', 'bigint')
      .addColumn('expires_at', 'bigint')
      .addColumn('counts_as', 'text')
      .addColumn('vex', 'integer', (column) => column.notNull())
      .addColumn('reason', 'text')
      .addColumn('created_by', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('changed_at', 'bigint', (column) => column.notNull())
      .execute()
    for (const row of await database.selectFrom('signing_key').selectAll().execute()) {
      await carryOver(database, { ...row, vex: 0, by: 'an administrator', ended_at: row.revoked_at })
    }
    for (const row of await database.selectFrom('vex_signer').selectAll().execute()) {
      await carryOver(database, { ...row, vex: 1, by: row.added_by, ended_at: row.removed_at })
    }
    await schema.dropTable('signing_key').execute()
    await schema.dropTable('vex_signer').execute()
    await schema
      .createTable('image_claim')
      .addColumn('repository_id', 'text', (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('signer', 'text', (column) => column.notNull())
      .addColumn('claim', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('image_claim_key', ['repository_id', 'digest', 'signer', 'claim'])
      .addForeignKeyConstraint(
        'image_claim_manifest',
        ['repository_id', 'digest'],
        'repository_manifest',
        ['repository_id', 'digest'],
        (constraint) => constraint.onDelete('cascade'),
      )
      .execute()
    await schema.createIndex('image_claim_by_signer').on('image_claim').column('signer').execute()
    await schema.alterTable('verdict').addColumn('allowed_tags', 'text').execute()
    await schema.alterTable('verdict').addColumn('signatures_held_at', 'bigint').execute()
  },
}

/** A key of before as a signer. The same key twice is one signer, whose VEX is believed if it was anywhere. */
async function carryOver(
  database: Kysely<Before>,
  row: {
    name: string
    public_key_pem: string
    created_at: number
    ended_at: number | null
    vex: number
    by: string
  },
): Promise<void> {
  const der = createPublicKey(row.public_key_pem).export({ type: 'spki', format: 'der' })
  const fingerprint = `sha256:${createHash('sha256').update(der).digest('hex')}`
  const same = await database
    .selectFrom('signer')
    .select('name')
    .where('fingerprint', '=', fingerprint)
    .executeTakeFirst()
  if (same) {
    if (row.ended_at === null) {
      await database.updateTable('signer').set({ vex: 1 }).where('fingerprint', '=', fingerprint).execute()
    }
    return
  }
  const taken = await database
    .selectFrom('signer')
    .select('name')
    .where('name', '=', row.name)
    .executeTakeFirst()
  await database
    .insertInto('signer')
    .values({
      name: taken ? `${row.name}-vex` : row.name,
      identity: JSON.stringify({ kind: 'key', publicKey: row.public_key_pem }),
      fingerprint,
      state: row.ended_at === null ? 'active' : 'revoked',
      revoked_from: row.ended_at,
      expires_at: null,
      counts_as: null,
      vex: row.vex,
      reason: null,
      created_by: row.by,
      created_at: row.created_at,
      changed_at: row.ended_at ?? row.created_at,
    })
    .execute()
}
