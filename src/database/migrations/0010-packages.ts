import type { Kysely, Migration } from 'kysely'

/**
 * What stored inventories hold, by package: for searching, and for matching only what an advisory touches. Images
 * share most packages, so each version of one is a row, and an image has short links to the rows.
 */
export const packages: Migration = {
  async up(database: Kysely<unknown>) {
    const { schema } = database
    await schema
      .createTable('known_package')
      .addColumn('key', 'text', (column) => column.primaryKey())
      .addColumn('type', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('version', 'text', (column) => column.notNull())
      .addColumn('source_name', 'text', (column) => column.notNull())
      .addColumn('ecosystem', 'text', (column) => column.notNull())
      .addColumn('filed_under', 'text', (column) => column.notNull())
      .execute()
    await schema.createIndex('known_package_by_name').on('known_package').columns(['name', 'type']).execute()
    await schema
      .createIndex('known_package_by_source')
      .on('known_package')
      .columns(['source_name', 'type'])
      .execute()
    await schema
      .createIndex('known_package_by_ecosystem')
      .on('known_package')
      .columns(['ecosystem', 'filed_under'])
      .execute()
    await schema
      .createTable('image_package')
      .addColumn('package_key', 'text', (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('is_removed', 'integer', (column) => column.notNull())
      .addPrimaryKeyConstraint('image_package_key', ['package_key', 'digest'])
      .execute()
    await schema.createIndex('image_package_by_image').on('image_package').column('digest').execute()
  },
}
