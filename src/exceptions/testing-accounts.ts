import { randomUUID } from 'node:crypto'
import type { Database } from '../database/index.ts'
import type { Action, Caller } from '../identity/index.ts'

/** For tests: accounts, projects and images, as rows. */
export type Right = readonly [action: Action, repositories: string]

const now = 1_000 * 24 * 3_600_000

export async function addProject(database: Database, name: string): Promise<void> {
  await database
    .insertInto('project')
    .values({ id: `project ${name}`, name, anonymous_pull: 0, created_at: now })
    .execute()
}

/** An image that the repository holds; it may hold it already elsewhere. */
export async function addImage(database: Database, repository: string, of: string): Promise<void> {
  const project_id = `project ${repository.split('/', 1)[0]}`
  await database
    .insertInto('repository')
    .values({ id: repository, project_id, name: repository, created_at: now })
    .execute()
  await database
    .insertInto('manifest')
    .values({
      digest: of,
      media_type: '',
      artifact_type: null,
      config_media_type: null,
      subject_digest: null,
      kind: 'image',
      size: 0,
      annotations: '{}',
      content: new Uint8Array(),
      created_at: now,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  await database
    .insertInto('repository_manifest')
    .values({ repository_id: repository, digest: of, pushed_by: '', pushed_at: now, pulled_at: null })
    .execute()
}

export async function addUser(
  database: Database,
  name: string,
  rights: readonly Right[],
  /** A project, or `all`. */
  { administers }: { readonly administers?: string } = {},
): Promise<Caller> {
  const id = randomUUID()
  await database
    .insertInto('user_account')
    .values({
      id,
      name,
      password_hash: '',
      administrator: administers === 'all' ? 1 : 0,
      disabled: 0,
      created_at: now,
    })
    .execute()
  const caller = await bind(database, 'user', id, name, rights)
  if (administers === undefined || administers === 'all') return caller
  await addBinding(database, caller.principal.subject, 'admin', '**', `project ${administers}`)
  return caller
}

export async function addRobot(
  database: Database,
  name: string,
  maker: Caller,
  rights: readonly Right[],
): Promise<Caller> {
  const id = randomUUID()
  await database
    .insertInto('robot')
    .values({
      id,
      name,
      description: '',
      secret_hash: '',
      previous_secret_hash: null,
      previous_secret_until: null,
      expires_at: null,
      disabled: 0,
      created_by: maker.principal.subject,
      created_at: now,
    })
    .execute()
  return bind(database, 'robot', id, name, rights)
}

async function bind(
  database: Database,
  kind: 'user' | 'robot',
  id: string,
  name: string,
  rights: readonly Right[],
): Promise<Caller> {
  const subject = `${kind}:${id}`
  for (const [action, repositories] of rights) await addBinding(database, subject, action, repositories)
  return { principal: { kind, subject, name, administrator: false }, sourceAddress: '127.0.0.1' }
}

async function addBinding(
  database: Database,
  principal: string,
  action: Action,
  repositories: string,
  projectId?: string,
): Promise<void> {
  await database
    .insertInto('role_binding')
    .values({
      id: randomUUID(),
      principal,
      actions: JSON.stringify([action]),
      project_id: projectId ?? null,
      repository_glob: repositories,
      created_at: now,
    })
    .execute()
  await database
    .insertInto('revision')
    .values({ name: 'identity', value: 1 })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((expression) => ({ value: expression('revision.value', '+', 1) })),
    )
    .execute()
}
