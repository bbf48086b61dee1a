import type { Kysely, Migration } from 'kysely'

/** Findings that were judged by people, and whose VEX is believed. */
export const exceptions: Migration = {
  async up(database: Kysely<unknown>) {
    const { schema } = database
    await schema
      .createTable('exception')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('vulnerability', 'text', (column) => column.notNull())
      .addColumn('aliases', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('justification', 'text')
      .addColumn('reason', 'text', (column) => column.notNull())
      .addColumn('ticket', 'text')
      .addColumn('repository_glob', 'text', (column) => column.notNull())
      .addColumn('digest', 'text')
      .addColumn('package_purl', 'text')
      .addColumn('base_name', 'text')
      .addColumn('base_version', 'text')
      .addColumn('products', 'text')
      .addColumn('requested_by', 'text', (column) => column.notNull())
      .addColumn('requested_by_name', 'text', (column) => column.notNull())
      .addColumn('requested_at', 'bigint', (column) => column.notNull())
      .addColumn('until', 'bigint', (column) => column.notNull())
      .addColumn('decided_by', 'text')
      .addColumn('decided_by_name', 'text')
      .addColumn('decided_at', 'bigint')
      .addColumn('decision_reason', 'text')
      .addColumn('ended_by_name', 'text')
      .addColumn('ended_at', 'bigint')
      .addColumn('end_reason', 'text')
      .addColumn('source_digest', 'text')
      .addColumn('source_author', 'text')
      .execute()
    await schema.createIndex('exception_by_state').on('exception').columns(['state', 'until']).execute()
    await schema.createIndex('exception_by_time').on('exception').columns(['requested_at', 'id']).execute()
    await schema.createIndex('exception_by_source').on('exception').column('source_digest').execute()
    await schema
      .createTable('vex_signer')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('public_key_pem', 'text', (column) => column.notNull())
      .addColumn('added_by', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('removed_at', 'bigint')
      .execute()
  },
}
