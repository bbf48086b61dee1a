import { sql } from 'kysely'
import type { Database, DatabaseTransaction } from '../database/index.ts'
import type { Action } from './types.ts'

/** Rights of a principal somewhere. */
export interface RoleBinding {
  readonly id: string
  readonly principal: string
  readonly actions: readonly Action[]
  readonly projectId: string | undefined
  readonly repositoryGlob: string
}

/** Who × action × repository × address. The first rule that matches decides; none: allowed. */
export interface NetworkRule {
  readonly id: string
  readonly effect: 'allow' | 'deny'
  readonly condition: NetworkCondition
  readonly comment: string
}

/** A rule matches when every part that is given does. */
export interface NetworkCondition {
  /** Names of users and robots; absent: everyone. */
  readonly principals?: readonly string[]
  readonly actions?: readonly Action[]
  /** Patterns over repository names. */
  readonly repositories?: readonly string[]
  /** The address is in one of these ranges. */
  readonly from?: readonly string[]
  /** The address is in none of these ranges. */
  readonly notFrom?: readonly string[]
}

export interface Project {
  readonly id: string
  readonly name: string
  readonly anonymousPull: boolean
}

/** All that `authorize` looks at, as of one revision. */
export interface Rights {
  readonly revision: number
  readonly projects: ReadonlyMap<string, Project>
  readonly bindings: ReadonlyMap<string, readonly RoleBinding[]>
  readonly networkRules: readonly NetworkRule[]
  /** Subjects of accounts that exist and are not disabled, with whether they administer. */
  readonly accounts: ReadonlyMap<string, { readonly name: string; readonly administrator: boolean }>
}

const revisionName = 'identity'

/** Tells every process, in the transaction of a change, that what it knows of rights is out of date. */
export async function bumpRevision(transaction: DatabaseTransaction): Promise<void> {
  await transaction
    .insertInto('revision')
    .values({ name: revisionName, value: 1 })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: sql<number>`revision.value + 1` }))
    .execute()
}

/** Keeps the rights in memory and reads them again as soon as their revision has changed. */
export class RightsCache {
  readonly #database: Database
  #rights: Rights | undefined
  #loading: Promise<Rights> | undefined

  constructor(database: Database) {
    this.#database = database
  }

  /** The rights as they are now: one small query when nothing has changed. */
  async current(): Promise<Rights> {
    const revision = await readRevision(this.#database)
    if (this.#rights?.revision === revision) return this.#rights
    this.#loading ??= loadRights(this.#database).finally(() => (this.#loading = undefined))
    const loaded = await this.#loading
    this.#rights = loaded
    // A change that came while loading is seen by asking once more.
    return loaded.revision >= revision ? loaded : this.current()
  }
}

async function readRevision(database: Database): Promise<number> {
  const row = await database
    .selectFrom('revision')
    .select('value')
    .where('name', '=', revisionName)
    .executeTakeFirst()
  return row?.value ?? 0
}

/** Reads the revision first: what changes while the rest is read only makes the next look read it again. */
async function loadRights(database: Database): Promise<Rights> {
  const revision = await readRevision(database)
  const projects = await database.selectFrom('project').selectAll().execute()
  const bindings = await database.selectFrom('role_binding').selectAll().execute()
  const rules = await database.selectFrom('network_rule').selectAll().orderBy('position').execute()
  const users = await database.selectFrom('user_account').selectAll().where('disabled', '=', 0).execute()
  const robots = await database.selectFrom('robot').selectAll().where('disabled', '=', 0).execute()
  return {
    revision,
    projects: new Map(
      projects.map((row) => [
        row.name,
        { id: row.id, name: row.name, anonymousPull: row.anonymous_pull === 1 },
      ]),
    ),
    bindings: Map.groupBy(
      bindings.map((row) => ({
        id: row.id,
        principal: row.principal,
        actions: JSON.parse(row.actions) as Action[],
        projectId: row.project_id ?? undefined,
        repositoryGlob: row.repository_glob,
      })),
      (binding) => binding.principal,
    ),
    networkRules: rules.map((row) => ({
      id: row.id,
      effect: row.effect,
      condition: JSON.parse(row.condition) as NetworkCondition,
      comment: row.comment,
    })),
    accounts: new Map([
      ...users.map(
        (row) => [`user:${row.id}`, { name: row.name, administrator: row.administrator === 1 }] as const,
      ),
      ...robots.map((row) => [`robot:${row.id}`, { name: row.name, administrator: false }] as const),
    ]),
  }
}
