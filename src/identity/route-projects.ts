import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { DatabaseTransaction } from '../database/index.ts'
import { IdentityFailure } from './failures.ts'
import type { Identity } from './identity.ts'
import { bumpRevision } from './rights.ts'
import { Empty, listOf, NameParams, NewProject, Project, ProjectChange } from './wire.ts'

/** Projects: the first part of repository names, and what rights are given for. */
export function projectRoutes(app: FastifyInstance, identity: Identity): void {
  const { database, clock } = identity
  app.get(
    '/api/v1/projects',
    {
      schema: {
        ...about('listProjects', 'The projects that the caller administers'),
        response: { 200: listOf(Project) },
      },
    },
    async ({ caller }) => {
      const isTheirs = await identity.requireSomeAdministration(caller)
      const rows = await database.selectFrom('project').selectAll().orderBy('name').execute()
      return { items: rows.filter((row) => isTheirs(row.name)).map(showProject) }
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
      await identity.requireAdministrator(caller, params.name)
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
