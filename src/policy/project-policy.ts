import type { Database, DatabaseTransaction } from '../database/index.ts'
import { IdentityFailure } from '../identity/index.ts'
import { projectNameOf, type RepositoryName } from '../kernel/reference.ts'
import { effectivePolicy } from './levels/effective-policy.ts'
import type { EffectivePolicy } from './levels/types.ts'
import { parseProjectPolicy, type ProjectDocument } from './project-document.ts'
import { currentPolicy } from './store.ts'

type Handle = Database | DatabaseTransaction

/** The policy of a project as it was applied. */
export interface AppliedProjectPolicy {
  readonly project: string
  readonly version: number
  readonly text: string
  readonly document: ProjectDocument
  readonly appliedBy: string
  readonly appliedAt: number
}

/** Parsed documents by project; only a cache, as the text that was read says whether it still holds. */
const parsed = new Map<string, { readonly text: string; readonly document: ProjectDocument }>()

/** The policy of a project that holds now; undefined when nobody applied one. */
export async function findProjectPolicy(
  database: Handle,
  project: string,
): Promise<AppliedProjectPolicy | undefined> {
  const row = await currentRows(database)
    .where('project.name', '=', project)
    .orderBy('version', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row && fromRow(row)
}

/** The policies of all projects that hold now, by name of the project. */
export async function listProjectPolicies(database: Handle): Promise<AppliedProjectPolicy[]> {
  const rows = await currentRows(database)
    .where((expression) =>
      expression(
        'version',
        '=',
        expression
          .selectFrom('project_policy as newer')
          .select((newer) => newer.fn.max('newer.version').as('version'))
          .whereRef('newer.project_id', '=', 'project_policy.project_id'),
      ),
    )
    .orderBy('project.name')
    .execute()
  return rows.map(fromRow)
}

/** Makes a document the next version for a project, and gives the version. Throws PROJECT_UNKNOWN. */
export async function saveProjectPolicy(
  transaction: DatabaseTransaction,
  { project, text, by, now }: { project: string; text: string; by: string; now: number },
): Promise<number> {
  const { id } = await getProject(transaction, project)
  const version = ((await findProjectPolicy(transaction, project))?.version ?? 0) + 1
  await transaction
    .insertInto('project_policy')
    .values({ project_id: id, version, document: text, applied_by: by, applied_at: now })
    .execute()
  return version
}

/** Throws PROJECT_UNKNOWN. */
export async function getProject(database: Handle, name: string): Promise<{ readonly id: string }> {
  const row = await database.selectFrom('project').select('id').where('name', '=', name).executeTakeFirst()
  if (!row) throw new IdentityFailure('PROJECT_UNKNOWN', `there is no project ${name}`)
  return row
}

/** All that has to hold in a repository now. */
export async function findEffectivePolicy(database: Handle, repository: string): Promise<EffectivePolicy> {
  const { document: organisation } = await currentPolicy(database)
  const own = await findProjectPolicy(database, projectNameOf(repository as RepositoryName))
  return effectivePolicy({ organisation, project: () => own?.document }, repository)
}

function currentRows(database: Handle) {
  return database
    .selectFrom('project_policy')
    .innerJoin('project', 'project.id', 'project_policy.project_id')
    .select(['project.name', 'version', 'document', 'applied_by', 'applied_at'])
}

function fromRow(row: {
  name: string
  version: number
  document: string
  applied_by: string
  applied_at: number
}): AppliedProjectPolicy {
  const known = parsed.get(row.name)
  const document = known?.text === row.document ? known.document : parseProjectPolicy(row.document, row.name)
  parsed.set(row.name, { text: row.document, document })
  return {
    project: row.name,
    version: row.version,
    text: row.document,
    document,
    appliedBy: row.applied_by,
    appliedAt: row.applied_at,
  }
}
