import type { Kysely, Migration } from 'kysely'

/** What the administrators of projects ask beyond the organisation's policy, every version of it. */
export const projectPolicies: Migration = {
  async up(database: Kysely<unknown>) {
    await database.schema
      .createTable('project_policy')
      .addColumn('project_id', 'text', (column) =>
        column.notNull().references('project.id').onDelete('cascade'),
      )
      .addColumn('version', 'integer', (column) => column.notNull())
      .addColumn('document', 'text', (column) => column.notNull())
      .addColumn('applied_by', 'text', (column) => column.notNull())
      .addColumn('applied_at', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('project_policy_key', ['project_id', 'version'])
      .execute()
  },
}
