import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { parseImageName, parseRepositoryName } from '../kernel/reference.ts'
import { checkOrganisation } from './check-documents.ts'
import { checkPolicy } from './check-policy.ts'
import { describeEffective } from './describe-effective.ts'
import { requestJudgementOfAll } from './judge.ts'
import { findEffectivePolicy } from './project-policy.ts'
import type { PolicyParts } from './routes.ts'
import { currentPolicy } from './store.ts'
import { testPolicy } from './test-policy.ts'
import {
  CheckBody,
  EffectiveBody,
  EffectiveQuery,
  PolicyBody,
  PolicyText,
  TestBody,
  TestRequest,
} from './wire.ts'

/** The organisation's policy, what it makes of a repository, and what it would make of images. */
export function documentRoutes(app: FastifyInstance, parts: PolicyParts): void {
  const { database, identity, clock } = parts

  app.get(
    '/api/v1/policy',
    { schema: { ...about('getPolicy', 'The policy in force'), response: { 200: PolicyBody } } },
    async ({ caller }) => {
      await identity.requireSignIn(caller)
      const { version, text } = await currentPolicy(database)
      const row = await database
        .selectFrom('policy')
        .selectAll()
        .where('version', '=', version)
        .executeTakeFirst()
      const applied = row && { appliedBy: row.applied_by, appliedAt: new Date(row.applied_at).toISOString() }
      return { version, document: text, ...applied }
    },
  )

  app.post<{ Body: Static<typeof PolicyText> }>(
    '/api/v1/policy/check',
    {
      schema: {
        ...about('checkPolicy', 'What another policy would change, without applying it'),
        body: PolicyText,
        response: { 200: CheckBody },
      },
    },
    async ({ caller, body }) => {
      await identity.requireAdministrator(caller)
      return checkPolicy(parts, await checkOrganisation(parts, body.document))
    },
  )

  app.put<{ Body: Static<typeof PolicyText> }>(
    '/api/v1/policy',
    {
      schema: {
        ...about('applyPolicy', 'Apply a policy; every image is judged again'),
        body: PolicyText,
        response: { 200: PolicyBody },
      },
    },
    async ({ caller, body }) => {
      await identity.requireAdministrator(caller)
      const { warnings } = await checkOrganisation(parts, body.document)
      const version = await database.transaction().execute(async (transaction) => {
        const now = clock.now()
        const next = (await currentPolicy(transaction)).version + 1
        const by = caller.principal.name
        const row = { version: next, document: body.document, applied_by: by, applied_at: now }
        await transaction.insertInto('policy').values(row).execute()
        await identity.audit(transaction, caller, 'policy.apply', `version ${next}`)
        await requestJudgementOfAll(transaction, now)
        return next
      })
      parts.wake()
      return { version, document: body.document, appliedBy: caller.principal.name, warnings: [...warnings] }
    },
  )

  app.get<{ Querystring: Static<typeof EffectiveQuery> }>(
    '/api/v1/policy/effective',
    {
      schema: {
        ...about('getEffectivePolicy', 'All that has to hold in a repository, with the level it comes from'),
        querystring: EffectiveQuery,
        response: { 200: EffectiveBody },
      },
    },
    async ({ caller, query }) => {
      const repository = parseRepositoryName(query.repository)
      await identity.requireAccess(caller, 'pull', repository)
      return describeEffective(repository, await findEffectivePolicy(database, repository))
    },
  )

  app.post<{ Body: Static<typeof TestRequest> }>(
    '/api/v1/policy/test',
    {
      schema: {
        ...about('testPolicy', 'What every level and rule says of an image now, and what it rests on'),
        body: TestRequest,
        response: { 200: TestBody },
      },
    },
    async ({ caller, body }) => {
      await identity.requireAccess(caller, 'pull', parseImageName(body.image).repository)
      return testPolicy(parts, body)
    },
  )
}

function about(
  operationId: string,
  summary: string,
): { operationId: string; summary: string; tags: string[] } {
  return { operationId, summary, tags: ['policy'] }
}
