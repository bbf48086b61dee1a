import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { DatabaseTransaction } from '../database/index.ts'
import { isGlob } from '../kernel/glob.ts'
import { parseRepositoryName } from '../kernel/reference.ts'
import { decide } from './authorize.ts'
import { IdentityFailure } from './failures.ts'
import type { Identity } from './identity.ts'
import { anonymous } from './identity.ts'
import { bumpRevision, type NetworkCondition as Condition } from './rights.ts'
import { robotPrefix } from './sign-in.ts'
import { parseCidr } from './source-address.ts'
import type { Principal } from './types.ts'
import {
  Empty,
  Explanation,
  ExplainRequest,
  IdParams,
  listOf,
  NameParams,
  NetworkRule,
  NewNetworkRule,
  NewProject,
  NewRoleBinding,
  Project,
  ProjectChange,
  RoleBinding,
} from './wire.ts'

/** Projects, who may do what in them, and from where; and why a decision falls as it does. */
export function accessRoutes(app: FastifyInstance, identity: Identity): void {
  projectRoutes(app, identity)
  bindingRoutes(app, identity)
  networkRuleRoutes(app, identity)
  app.post<{ Body: Static<typeof ExplainRequest> }>(
    '/api/v1/authorize/explain',
    {
      schema: {
        ...about('explainDecision', 'Whether somebody may do something, and which rule decides'),
        body: ExplainRequest,
        response: { 200: Explanation },
      },
    },
    async ({ caller, body }) => {
      await identity.requireAdministrator(caller)
      const rights = await identity.currentRights()
      const found = [...rights.accounts].find(
        ([subject, account]) =>
          (subject.startsWith('robot:') ? robotPrefix : '') + account.name === body.principal,
      )
      if (!found && body.principal !== 'anonymous') {
        throw new IdentityFailure('ACCOUNT_UNKNOWN', `there is no account ${body.principal} that can sign in`)
      }
      const principal: Principal = found
        ? { kind: 'user', subject: found[0], name: body.principal, administrator: found[1].administrator }
        : anonymous
      return decide(rights, principal, body.action, parseRepositoryName(body.repository), body.sourceAddress)
    },
  )
}

function projectRoutes(app: FastifyInstance, identity: Identity): void {
  const { database, clock } = identity
  app.get(
    '/api/v1/projects',
    { schema: { ...about('listProjects', 'All projects'), response: { 200: listOf(Project) } } },
    async ({ caller }) => {
      await identity.requireAdministrator(caller)
      const rows = await database.selectFrom('project').selectAll().orderBy('name').execute()
      return { items: rows.map(showProject) }
    },
  )

  app.post<{ Body: Static<typeof NewProject> }>(
    '/api/v1/projects',
    { schema: { ...about('createProject', 'Make a project'), body: NewProject, response: { 201: Project } } },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller)
      const row = {
        id: randomUUID(),
        name: body.name,
        anonymous_pull: body.anonymousPull ? (1 as const) : (0 as const),
        created_at: clock.now(),
      }
      await database.transaction().execute(async (transaction) => {
        const taken = await transaction
          .selectFrom('project')
          .select('id')
          .where('name', '=', row.name)
          .executeTakeFirst()
        if (taken) throw new IdentityFailure('NAME_TAKEN', `there is a project ${row.name} already`)
        await transaction.insertInto('project').values(row).execute()
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'project.create', row.name, {
          anonymousPull: body.anonymousPull ?? false,
        })
      })
      return reply.code(201).send(showProject(row))
    },
  )

  app.patch<{ Params: Static<typeof NameParams>; Body: Static<typeof ProjectChange> }>(
    '/api/v1/projects/:name',
    {
      schema: {
        ...about('changeProject', 'Open a project to anonymous pulls, or close it'),
        params: NameParams,
        body: ProjectChange,
        response: { 200: Project },
      },
    },
    async ({ caller, params, body }) => {
      await identity.requireAdministrator(caller)
      return database.transaction().execute(async (transaction) => {
        const row = await transaction
          .updateTable('project')
          .set({ anonymous_pull: body.anonymousPull ? 1 : 0 })
          .where('name', '=', params.name)
          .returningAll()
          .executeTakeFirst()
        if (!row) throw new IdentityFailure('PROJECT_UNKNOWN', `there is no project ${params.name}`)
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'project.change', row.name, { ...body })
        return showProject(row)
      })
    },
  )

  app.delete<{ Params: Static<typeof NameParams> }>(
    '/api/v1/projects/:name',
    {
      schema: {
        ...about('deleteProject', 'Delete a project that has no repositories'),
        params: NameParams,
        response: { 204: Empty },
      },
    },
    async ({ caller, params }, reply) => {
      await identity.requireAdministrator(caller)
      await database.transaction().execute(async (transaction) => {
        const row = await transaction
          .selectFrom('project')
          .selectAll()
          .where('name', '=', params.name)
          .executeTakeFirst()
        if (!row) throw new IdentityFailure('PROJECT_UNKNOWN', `there is no project ${params.name}`)
        await dropEmptyRepositories(transaction, row.id)
        const used = await transaction
          .selectFrom('repository')
          .select('name')
          .where('project_id', '=', row.id)
          .executeTakeFirst()
        if (used) {
          throw new IdentityFailure(
            'PROJECT_IN_USE',
            `${used.name} still has content; delete its manifests first`,
          )
        }
        await transaction.deleteFrom('project').where('id', '=', row.id).execute()
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'project.delete', row.name)
      })
      return reply.code(204).send()
    },
  )
}

/** A repository without manifests is only a name; blobs that are leased in it go with it. */
async function dropEmptyRepositories(transaction: DatabaseTransaction, projectId: string): Promise<void> {
  await transaction
    .deleteFrom('repository')
    .where('project_id', '=', projectId)
    .where((expression) =>
      expression.not(
        expression.exists(
          expression
            .selectFrom('repository_manifest')
            .select('repository_manifest.digest')
            .whereRef('repository_manifest.repository_id', '=', 'repository.id'),
        ),
      ),
    )
    .execute()
}

function bindingRoutes(app: FastifyInstance, identity: Identity): void {
  const { database, clock } = identity
  const path = '/api/v1/role-bindings'
  app.get(
    path,
    { schema: { ...about('listRoleBindings', 'Who may do what'), response: { 200: listOf(RoleBinding) } } },
    async ({ caller }) => {
      await identity.requireAdministrator(caller)
      const rights = await identity.currentRights()
      const projects = new Map([...rights.projects.values()].map((project) => [project.id, project.name]))
      const items = [...rights.bindings.values()].flat().map((binding) => {
        const account = rights.accounts.get(binding.principal)
        const prefix = binding.principal.startsWith('robot:') ? robotPrefix : ''
        const project = binding.projectId === undefined ? undefined : projects.get(binding.projectId)
        return {
          id: binding.id,
          principal: account ? `${prefix}${account.name}` : binding.principal,
          actions: [...binding.actions],
          repositories: binding.repositoryGlob,
          ...(project === undefined ? {} : { project }),
        }
      })
      return { items }
    },
  )

  app.post<{ Body: Static<typeof NewRoleBinding> }>(
    path,
    {
      schema: {
        ...about('createRoleBinding', 'Give somebody rights'),
        body: NewRoleBinding,
        response: { 201: RoleBinding },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller)
      const repositories = checkGlob(body.repositories ?? '**')
      const id = randomUUID()
      await database.transaction().execute(async (transaction) => {
        const principal = await subjectOf(transaction, body.principal)
        const project = body.project === undefined ? undefined : await projectId(transaction, body.project)
        const row = { id, principal, actions: JSON.stringify(body.actions), project_id: project ?? null }
        await transaction
          .insertInto('role_binding')
          .values({ ...row, repository_glob: repositories, created_at: clock.now() })
          .execute()
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'role.grant', body.principal, { ...body, repositories })
      })
      return reply.code(201).send({ ...body, id, repositories })
    },
  )

  app.delete<{ Params: Static<typeof IdParams> }>(
    `${path}/:id`,
    {
      schema: {
        ...about('deleteRoleBinding', 'Take rights away'),
        params: IdParams,
        response: { 204: Empty },
      },
    },
    async ({ caller, params }, reply) => {
      await identity.requireAdministrator(caller)
      await database.transaction().execute(async (transaction) => {
        const row = await transaction
          .deleteFrom('role_binding')
          .where('id', '=', params.id)
          .returningAll()
          .executeTakeFirst()
        if (!row) throw new IdentityFailure('RULE_UNKNOWN', `there is no role binding ${params.id}`)
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'role.revoke', row.principal, {
          actions: row.actions,
          repositories: row.repository_glob,
        })
      })
      return reply.code(204).send()
    },
  )
}

function networkRuleRoutes(app: FastifyInstance, identity: Identity): void {
  const { database, clock } = identity
  const path = '/api/v1/network-rules'
  app.get(
    path,
    {
      schema: {
        ...about('listNetworkRules', 'Network rules in their order'),
        response: { 200: listOf(NetworkRule) },
      },
    },
    async ({ caller }) => {
      await identity.requireAdministrator(caller)
      const { networkRules } = await identity.currentRights()
      return { items: networkRules.map((rule, index) => ({ ...rule, position: index + 1 })) }
    },
  )

  app.post<{ Body: Static<typeof NewNetworkRule> }>(
    path,
    {
      schema: {
        ...about('createNetworkRule', 'Add a network rule'),
        body: NewNetworkRule,
        response: { 201: NetworkRule },
      },
    },
    async ({ caller, body }, reply) => {
      await identity.requireAdministrator(caller)
      checkCondition(body.condition)
      const id = randomUUID()
      const comment = body.comment ?? ''
      const position = await database.transaction().execute(async (transaction) => {
        const order = await transaction.selectFrom('network_rule').select('id').orderBy('position').execute()
        const at = Math.min(body.position ?? order.length + 1, order.length + 1)
        const row = { id, effect: body.effect, condition: JSON.stringify(body.condition), comment }
        await transaction
          .insertInto('network_rule')
          .values({ ...row, position: at, created_at: clock.now() })
          .execute()
        const ids = order.map((rule) => rule.id).toSpliced(at - 1, 0, id)
        await renumber(transaction, ids)
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'network-rule.create', id, { ...body })
        return at
      })
      return reply.code(201).send({ id, position, effect: body.effect, condition: body.condition, comment })
    },
  )

  app.delete<{ Params: Static<typeof IdParams> }>(
    `${path}/:id`,
    {
      schema: {
        ...about('deleteNetworkRule', 'Remove a network rule'),
        params: IdParams,
        response: { 204: Empty },
      },
    },
    async ({ caller, params }, reply) => {
      await identity.requireAdministrator(caller)
      await database.transaction().execute(async (transaction) => {
        const row = await transaction
          .deleteFrom('network_rule')
          .where('id', '=', params.id)
          .returningAll()
          .executeTakeFirst()
        if (!row) throw new IdentityFailure('RULE_UNKNOWN', `there is no network rule ${params.id}`)
        await bumpRevision(transaction)
        await identity.audit(transaction, caller, 'network-rule.delete', row.id, { condition: row.condition })
      })
      return reply.code(204).send()
    },
  )
}

async function renumber(transaction: DatabaseTransaction, ids: readonly string[]): Promise<void> {
  for (const [index, id] of ids.entries()) {
    await transaction
      .updateTable('network_rule')
      .set({ position: index + 1 })
      .where('id', '=', id)
      .execute()
  }
}

function checkCondition(condition: Condition): void {
  for (const cidr of [...(condition.from ?? []), ...(condition.notFrom ?? [])]) parseCidr(cidr)
  for (const glob of condition.repositories ?? []) checkGlob(glob)
}

/** Throws RULE_INVALID for what is not a repository pattern. */
export function checkGlob(text: string): string {
  if (isGlob(text)) return text
  throw new IdentityFailure(
    'RULE_INVALID',
    `${JSON.stringify(text)} is not a repository pattern such as dev/** or dev/*`,
  )
}

async function subjectOf(transaction: DatabaseTransaction, name: string): Promise<string> {
  const isRobot = name.startsWith(robotPrefix)
  const row = isRobot
    ? await transaction
        .selectFrom('robot')
        .select('id')
        .where('name', '=', name.slice(robotPrefix.length))
        .executeTakeFirst()
    : await transaction.selectFrom('user_account').select('id').where('name', '=', name).executeTakeFirst()
  if (!row) throw new IdentityFailure('ACCOUNT_UNKNOWN', `there is no account ${name}`)
  return `${isRobot ? 'robot' : 'user'}:${row.id}`
}

async function projectId(transaction: DatabaseTransaction, name: string): Promise<string> {
  const row = await transaction.selectFrom('project').select('id').where('name', '=', name).executeTakeFirst()
  if (!row) throw new IdentityFailure('PROJECT_UNKNOWN', `there is no project ${name}`)
  return row.id
}

function showProject(row: {
  id: string
  name: string
  anonymous_pull: 0 | 1
  created_at: number
}): Static<typeof Project> {
  return {
    id: row.id,
    name: row.name,
    anonymousPull: row.anonymous_pull === 1,
    createdAt: new Date(row.created_at).toISOString(),
  }
}

function about(
  operationId: string,
  summary: string,
): { operationId: string; summary: string; tags: string[] } {
  return { operationId, summary, tags: ['access'] }
}
