import type { Kysely, Migration } from 'kysely'

export const scanning: Migration = {
  async up(database: Kysely<unknown>) {
    const { schema } = database
    await schema
      .createTable('scan')
      .addColumn('digest', 'text', (column) => column.primaryKey())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('inventory', 'text', (column) => column.notNull())
      .addColumn('error', 'text')
      .addColumn('scanned_at', 'bigint', (column) => column.notNull())
      .execute()
    await schema
      .createTable('finding_report')
      .addColumn('digest', 'text', (column) => column.primaryKey())
      .addColumn('database_version', 'text', (column) => column.notNull())
      .addColumn('database_built_at', 'bigint', (column) => column.notNull())
      .addColumn('findings', 'text', (column) => column.notNull())
      .addColumn('matched_at', 'bigint', (column) => column.notNull())
      .execute()
  },
}
