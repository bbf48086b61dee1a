import { sql, type Kysely, type Migration } from 'kysely'

export const jobs: Migration = {
  async up(database: Kysely<unknown>) {
    const { schema } = database
    await schema
      .createTable('job')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('dedupe_key', 'text', (column) => column.notNull())
      .addColumn('payload', 'text', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('attempts', 'integer', (column) => column.notNull())
      .addColumn('run_after', 'bigint', (column) => column.notNull())
      .addColumn('leased_until', 'bigint')
      .addColumn('lease_token', 'text')
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('finished_at', 'bigint')
      .addColumn('error', 'text')
      .execute()
    await schema
      .createIndex('job_waiting_once')
      .on('job')
      .columns(['kind', 'dedupe_key'])
      .unique()
      .where(sql.ref('state'), '=', 'waiting')
      .execute()
    await schema.createIndex('job_by_state').on('job').columns(['state', 'run_after']).execute()
  },
}
