import type { Kysely, Migration } from 'kysely'

/** Which source speaks for an ecosystem, as of when: dates move without anything being matched again. */
export const coverage: Migration = {
  async up(database: Kysely<unknown>) {
    await database.schema
      .createTable('advisory_coverage')
      .addColumn('ecosystem', 'text', (column) => column.notNull())
      .addColumn('source', 'text', (column) => column.notNull())
      .addColumn('built_at', 'bigint')
      .addColumn('checked_at', 'bigint')
      .addColumn('end_of_life', 'text')
      .addPrimaryKeyConstraint('advisory_coverage_key', ['ecosystem', 'source'])
      .execute()
  },
}
