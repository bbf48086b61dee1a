import type { Kysely, Migration } from 'kysely'

export const policy: Migration = {
  async up(database: Kysely<unknown>) {
    const { schema } = database
    await schema
      .createTable('policy')
      .addColumn('version', 'integer', (column) => column.primaryKey())
      .addColumn('document', 'text', (column) => column.notNull())
      .addColumn('applied_by', 'text', (column) => column.notNull())
      .addColumn('applied_at', 'bigint', (column) => column.notNull())
      .execute()
    await schema
      .createTable('verdict')
      .addColumn('repository_id', 'text', (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('reasons', 'text', (column) => column.notNull())
      .addColumn('policy_version', 'integer', (column) => column.notNull())
      .addColumn('judged_at', 'bigint', (column) => column.notNull())
      .addColumn('grace_until', 'bigint')
      .addPrimaryKeyConstraint('verdict_key', ['repository_id', 'digest'])
      .addForeignKeyConstraint(
        'verdict_manifest',
        ['repository_id', 'digest'],
        'repository_manifest',
        ['repository_id', 'digest'],
        (constraint) => constraint.onDelete('cascade'),
      )
      .execute()
    await schema.createIndex('verdict_by_digest').on('verdict').column('digest').execute()
    await schema
      .createTable('manual_decision')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('repository_id', 'text')
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('reason', 'text', (column) => column.notNull())
      .addColumn('decided_by', 'text', (column) => column.notNull())
      .addColumn('decided_at', 'bigint', (column) => column.notNull())
      .execute()
    await schema.createIndex('manual_decision_by_digest').on('manual_decision').column('digest').execute()
    await schema
      .createTable('promotion')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('source', 'text', (column) => column.notNull())
      .addColumn('target', 'text', (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('outcome', 'text', (column) => column.notNull())
      .addColumn('reasons', 'text', (column) => column.notNull())
      .addColumn('requested_by', 'text', (column) => column.notNull())
      .addColumn('requested_at', 'bigint', (column) => column.notNull())
      .execute()
  },
}
