import type { Kysely, Migration } from 'kysely'

/** Exceptions from rules of the policy, and on whose authority an exception was approved. */
export const ruleExceptions: Migration = {
  async up(database: Kysely<unknown>) {
    const { schema } = database
    await schema.alterTable('exception').addColumn('rule', 'text').execute()
    await schema.alterTable('exception').addColumn('clause', 'text').execute()
    await schema.alterTable('exception').addColumn('authority', 'text').execute()
  },
}
