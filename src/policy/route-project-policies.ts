import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { checkProject } from './check-documents.ts'
import { checkPolicy } from './check-policy.ts'
import { requestJudgementOfAll } from './judge.ts'
import { findProjectPolicy, getProject, saveProjectPolicy } from './project-policy.ts'
import type { PolicyParts } from './routes.ts'
import { CheckBody, PolicyBody, PolicyText, ProjectParams } from './wire.ts'

type Params = { readonly Params: Static<typeof ProjectParams> }
type WithText = Params & { readonly Body: Static<typeof PolicyText> }

/** What the administrators of a project ask beyond the organisation's policy. */
export function projectPolicyRoutes(app: FastifyInstance, parts: PolicyParts): void {
  const { database, identity, clock } = parts
  const path = '/api/v1/projects/:name/policy'
  const about = (operationId: string, summary: string): object => ({
    operationId,
    summary,
    tags: ['policy'],
    params: ProjectParams,
  })

  app.get<Params>(
    path,
    { schema: { ...about('getProjectPolicy', 'The policy of a project'), response: { 200: PolicyBody } } },
    async ({ caller, params }) => {
      await identity.requireAdministrator(caller, params.name)
      await getProject(database, params.name)
      const found = await findProjectPolicy(database, params.name)
      if (!found) return { version: 0, document: '' }
      const { version, text, appliedBy, appliedAt } = found
      return { version, document: text, appliedBy, appliedAt: new Date(appliedAt).toISOString() }
    },
  )

  app.post<WithText>(
    `${path}/check`,
    {
      schema: {
        ...about('checkProjectPolicy', 'What another policy of a project would change, without applying it'),
        body: PolicyText,
        response: { 200: CheckBody },
      },
    },
    async ({ caller, params, body }) => {
      await identity.requireAdministrator(caller, params.name)
      await getProject(database, params.name)
      return checkPolicy(parts, await checkProject(parts, params.name, body.document), params.name)
    },
  )

  app.put<WithText>(
    path,
    {
      schema: {
        ...about('applyProjectPolicy', 'Apply a policy of a project; its images are judged again'),
        body: PolicyText,
        response: { 200: PolicyBody },
      },
    },
    async ({ caller, params: { name: project }, body }) => {
      await identity.requireAdministrator(caller, project)
      const { warnings } = await checkProject(parts, project, body.document)
      const version = await database.transaction().execute(async (transaction) => {
        const now = clock.now()
        const by = caller.principal.name
        const next = await saveProjectPolicy(transaction, { project, text: body.document, by, now })
        await identity.audit(transaction, caller, 'policy.apply', `project ${project} version ${next}`)
        await requestJudgementOfAll(transaction, now)
        return next
      })
      parts.wake()
      return { version, document: body.document, appliedBy: caller.principal.name, warnings: [...warnings] }
    },
  )
}
