import type { Kysely, Migration } from 'kysely'

/** Nodes that have enrolled, what runs on them, and whose certificates they have. */
export const nodes: Migration = {
  async up(database: Kysely<unknown>) {
    const { schema } = database
    await schema
      .createTable('node_authority')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('certificate_pem', 'text', (column) => column.notNull())
      .addColumn('private_key_pem', 'text', (column) => column.notNull())
      .addColumn('created_at', 'integer', (column) => column.notNull())
      .execute()
    await schema
      .createTable('node_token')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('secret_hash', 'text', (column) => column.notNull().unique())
      .addColumn('labels', 'text', (column) => column.notNull())
      .addColumn('expires_at', 'integer', (column) => column.notNull())
      .addColumn('used_at', 'integer')
      .addColumn('created_by', 'text', (column) => column.notNull())
      .execute()
    await schema
      .createTable('node')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull().unique())
      .addColumn('labels', 'text', (column) => column.notNull())
      .addColumn('enrolled_at', 'integer', (column) => column.notNull())
      .addColumn('certificate_expires_at', 'integer', (column) => column.notNull())
      .addColumn('last_seen_at', 'integer')
      .addColumn('agent_version', 'text')
      .addColumn('runtimes', 'text', (column) => column.notNull())
      .addColumn('last_event', 'integer', (column) => column.notNull())
      .execute()
    await schema
      .createTable('running_container')
      .addColumn('node_id', 'text', (column) => column.notNull())
      .addColumn('container', 'text', (column) => column.notNull())
      .addColumn('pod', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('handler', 'text', (column) => column.notNull())
      .addColumn('started_at', 'integer', (column) => column.notNull())
      .addPrimaryKeyConstraint('running_container_key', ['node_id', 'container'])
      .execute()
    await schema
      .createIndex('running_container_digest')
      .on('running_container')
      .columns(['digest', 'repository'])
      .execute()
  },
}
