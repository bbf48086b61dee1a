import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { DatabaseTransaction } from '../database/index.ts'
import { checkGlob } from './check-glob.ts'
import { IdentityFailure } from './failures.ts'
import type { Identity } from './identity.ts'
import { bumpRevision } from './rights.ts'
import { robotPrefix } from './sign-in.ts'
import { Empty, IdParams, listOf, NewRoleBinding, RoleBinding } from './wire.ts'

/** Who may do what where: an administrator says it anywhere, the administrator of a project says it there. */
export function roleBindingRoutes(app: FastifyInstance, identity: Identity): void {
  const { database, clock } = identity
  const path = '/api/v1/role-bindings'
  app.get(
    path,
    {
      schema: {
        ...about('listRoleBindings', 'Who may do what, where the caller administers'),
        response: { 200: listOf(RoleBinding) },
      },
    },
    async ({ caller }) => {
      const isTheirs = await identity.requireSomeAdministration(caller)
      const rights = await identity.currentRights()
      const projects = new Map([...rights.projects.values()].map((project) => [project.id, project.name]))
      const bindings = [...rights.bindings.values()].flat()
      const visible = bindings.filter(({ projectId }) => isTheirs(projectId && projects.get(projectId)))
      const items = visible.map((binding) => {
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
      await identity.requireAdministrator(caller, body.project)
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
      const isTheirs = await identity.requireSomeAdministration(caller)
      await database.transaction().execute(async (transaction) => {
        const row = await transaction
          .selectFrom('role_binding')
          .leftJoin('project', 'project.id', 'role_binding.project_id')
          .selectAll('role_binding')
          .select('project.name as project')
          .where('role_binding.id', '=', params.id)
          .executeTakeFirst()
        // What belongs to others is answered as if it were not there.
        if (!row || !isTheirs(row.project ?? undefined)) {
          throw new IdentityFailure('RULE_UNKNOWN', `there is no role binding ${params.id}`)
        }
        await transaction.deleteFrom('role_binding').where('id', '=', params.id).execute()
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

function about(
  operationId: string,
  summary: string,
): { operationId: string; summary: string; tags: string[] } {
  return { operationId, summary, tags: ['access'] }
}
