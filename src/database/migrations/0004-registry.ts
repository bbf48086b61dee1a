import type { Kysely, Migration } from 'kysely'

export const registry: Migration = {
  async up(database: Kysely<unknown>) {
    const { schema } = database
    await schema
      .createTable('repository')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('project_id', 'text', (column) => column.notNull().references('project.id'))
      .addColumn('name', 'text', (column) => column.notNull().unique())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()
    await schema
      .createTable('blob')
      .addColumn('digest', 'text', (column) => column.primaryKey())
      .addColumn('size', 'bigint', (column) => column.notNull())
      .addColumn('location', 'text', (column) => column.notNull())
      .addColumn('condemned_at', 'bigint')
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()
    await schema.createIndex('blob_condemned').on('blob').column('condemned_at').execute()
    await schema
      .createTable('repository_blob')
      .addColumn('repository_id', 'text', (column) =>
        column.notNull().references('repository.id').onDelete('cascade'),
      )
      .addColumn('digest', 'text', (column) => column.notNull().references('blob.digest'))
      .addColumn('leased_until', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('repository_blob_key', ['repository_id', 'digest'])
      .execute()
    await schema.createIndex('repository_blob_by_digest').on('repository_blob').column('digest').execute()
    await schema
      .createTable('manifest')
      .addColumn('digest', 'text', (column) => column.primaryKey())
      .addColumn('media_type', 'text', (column) => column.notNull())
      .addColumn('artifact_type', 'text')
      .addColumn('config_media_type', 'text')
      .addColumn('subject_digest', 'text')
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('size', 'bigint', (column) => column.notNull())
      .addColumn('annotations', 'text', (column) => column.notNull())
      .addColumn('content', 'blob', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()
    await schema.createIndex('manifest_by_subject').on('manifest').column('subject_digest').execute()
    await schema
      .createTable('manifest_reference')
      .addColumn('manifest_digest', 'text', (column) =>
        column.notNull().references('manifest.digest').onDelete('cascade'),
      )
      .addColumn('target_digest', 'text', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('manifest_reference_key', ['manifest_digest', 'target_digest', 'kind'])
      .execute()
    await schema
      .createIndex('manifest_reference_by_target')
      .on('manifest_reference')
      .column('target_digest')
      .execute()
    await schema
      .createTable('repository_manifest')
      .addColumn('repository_id', 'text', (column) =>
        column.notNull().references('repository.id').onDelete('cascade'),
      )
      .addColumn('digest', 'text', (column) => column.notNull().references('manifest.digest'))
      .addColumn('pushed_by', 'text', (column) => column.notNull())
      .addColumn('pushed_at', 'bigint', (column) => column.notNull())
      .addColumn('pulled_at', 'bigint')
      .addPrimaryKeyConstraint('repository_manifest_key', ['repository_id', 'digest'])
      .execute()
    await schema
      .createIndex('repository_manifest_by_digest')
      .on('repository_manifest')
      .column('digest')
      .execute()
    await schema
      .createTable('tag')
      .addColumn('repository_id', 'text', (column) =>
        column.notNull().references('repository.id').onDelete('cascade'),
      )
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('tag_key', ['repository_id', 'name'])
      .addForeignKeyConstraint('tag_manifest', ['repository_id', 'digest'], 'repository_manifest', [
        'repository_id',
        'digest',
      ])
      .execute()
    await schema.createIndex('tag_by_digest').on('tag').columns(['repository_id', 'digest']).execute()
    await schema
      .createTable('upload')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('repository_id', 'text', (column) =>
        column.notNull().references('repository.id').onDelete('cascade'),
      )
      .addColumn('principal', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('expires_at', 'bigint', (column) => column.notNull())
      .execute()
    await schema.createIndex('upload_by_principal').on('upload').column('principal').execute()
    await schema
      .createTable('repository_rule')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('repository_glob', 'text', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('settings', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()
  },
}
