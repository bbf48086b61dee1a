import { sql, type Kysely, type Migration } from 'kysely'

export const audit: Migration = {
  async up(database: Kysely<unknown>) {
    await database.schema
      .createTable('audit_entry')
      .addColumn('sequence', 'integer', (column) => column.primaryKey())
      .addColumn('at', 'bigint', (column) => column.notNull())
      .addColumn('principal', 'text', (column) => column.notNull())
      .addColumn('source_address', 'text', (column) => column.notNull())
      .addColumn('action', 'text', (column) => column.notNull())
      .addColumn('object', 'text', (column) => column.notNull())
      .addColumn('detail', 'text', (column) => column.notNull())
      .addColumn('previous_hash', 'text', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull())
      .execute()
    for (const verb of ['update', 'delete']) {
      await sql
        .raw(
          `create trigger audit_entry_no_${verb} before ${verb} on audit_entry ` +
            `begin select raise(abort, 'the audit log is append-only'); end`,
        )
        .execute(database)
    }
  },
}
