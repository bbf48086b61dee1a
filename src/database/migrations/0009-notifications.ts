import type { Kysely, Migration } from 'kysely'

/** Who wants to be told of what, and the outbox of what is told. */
export const notifications: Migration = {
  async up(database: Kysely<unknown>) {
    const { schema } = database
    await schema
      .createTable('notification_subscription')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull().unique())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('target', 'text', (column) => column.notNull())
      .addColumn('event_types', 'text', (column) => column.notNull())
      .addColumn('repository_glob', 'text', (column) => column.notNull())
      .addColumn('minimum_severity', 'text')
      .addColumn('enabled', 'integer', (column) => column.notNull())
      .addColumn('secret', 'text')
      .addColumn('previous_secret', 'text')
      .addColumn('previous_secret_until', 'bigint')
      .addColumn('failures', 'integer', (column) => column.notNull())
      .addColumn('paused_until', 'bigint', (column) => column.notNull())
      .addColumn('created_by', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()
    await schema
      .createTable('notification_delivery')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('subscription_id', 'text', (column) =>
        column.notNull().references('notification_subscription.id').onDelete('cascade'),
      )
      .addColumn('event_id', 'text', (column) => column.notNull())
      .addColumn('event_type', 'text', (column) => column.notNull())
      .addColumn('event', 'text', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('attempts', 'integer', (column) => column.notNull())
      .addColumn('next_attempt_at', 'bigint', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('finished_at', 'bigint')
      .execute()
    await schema
      .createIndex('notification_delivery_once')
      .on('notification_delivery')
      .columns(['subscription_id', 'event_id'])
      .unique()
      .execute()
    await schema
      .createIndex('notification_delivery_due')
      .on('notification_delivery')
      .columns(['subscription_id', 'state', 'next_attempt_at'])
      .execute()
    await schema
      .createIndex('notification_delivery_by_age')
      .on('notification_delivery')
      .column('created_at')
      .execute()
  },
}
