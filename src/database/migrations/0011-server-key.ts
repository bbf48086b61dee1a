import type { Kysely, Migration } from 'kysely'

/** The keys with which the server signs what it states itself. */
export const serverKey: Migration = {
  async up(database: Kysely<unknown>) {
    await database.schema
      .createTable('server_key')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('private_key_pem', 'text', (column) => column.notNull())
      .addColumn('public_key_pem', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()
  },
}
