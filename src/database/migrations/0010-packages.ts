import type { Kysely, Migration } from 'kysely'

/** What stored inventories hold, by package: for searching, and for matching only what an advisory touches. */
export const packages: Migration = {
  async up(database: Kysely<unknown>) {
    const { schema } = database
    await schema
      .createTable('image_package')
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('type', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('version', 'text', (column) => column.notNull())
      .addColumn('source_name', 'text', (column) => column.notNull())
      .addColumn('ecosystem', 'text', (column) => column.notNull())
      .addColumn('filed_under', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('image_package_key', ['digest', 'type', 'name', 'version'])
      .execute()
    await schema.createIndex('image_package_by_name').on('image_package').columns(['name', 'type']).execute()
    await schema
      .createIndex('image_package_by_source')
      .on('image_package')
      .columns(['source_name', 'type'])
      .execute()
    await schema
      .createIndex('image_package_by_ecosystem')
      .on('image_package')
      .columns(['ecosystem', 'filed_under', 'digest'])
      .execute()
  },
}
