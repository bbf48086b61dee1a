import type { FastifyInstance } from 'fastify'
import type { Identity } from '../identity/index.ts'
import { bundleMediaType } from '../signing/index.ts'
import { issueTrust, type IssueParts } from './issue-trust.ts'
import { nodeRoutes } from './nodes/node-routes.ts'
import { TrustQuery, trustPath } from './wire.ts'

export interface RuntimeParts extends IssueParts {
  readonly identity: Identity
}

/** What nodes fetch to verify by themselves. */
export function runtimeRoutes(app: FastifyInstance, parts: RuntimeParts): void {
  nodeRoutes(app, parts)
  app.get<{ Querystring: TrustQuery }>(
    trustPath,
    {
      schema: {
        operationId: 'getRuntimeTrust',
        summary: 'Whom and what nodes are to trust, signed by the server: a Sigstore bundle',
        tags: ['runtime'],
        querystring: TrustQuery,
      },
    },
    async ({ caller, query }, reply) => {
      // Policies and public keys are for all who are known here, as everywhere else.
      await parts.identity.requireSignIn(caller)
      return reply.type(bundleMediaType).send(await issueTrust(parts, query))
    },
  )
}
