import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { parseRepositoryName } from '../kernel/reference.ts'
import { decide } from './authorize.ts'
import { IdentityFailure } from './failures.ts'
import { anonymous, type Identity } from './identity.ts'
import { robotPrefix } from './sign-in.ts'
import type { Principal } from './types.ts'
import { Explanation, ExplainRequest } from './wire.ts'

/** Why a decision falls as it does. */
export function explainRoutes(app: FastifyInstance, identity: Identity): void {
  app.post<{ Body: Static<typeof ExplainRequest> }>(
    '/api/v1/authorize/explain',
    {
      schema: {
        operationId: 'explainDecision',
        summary: 'Whether somebody may do something, and which rule decides',
        tags: ['access'],
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
