/** Who is calling and what they may do: accounts, robots, tokens, roles and network rules. */
import './request-caller.ts'
import type { FastifyInstance } from 'fastify'
import type { Identity } from './identity.ts'
import { accessRoutes } from './route-access.ts'
import { accountRoutes } from './route-accounts.ts'
import { registryTokenRoutes } from './route-registry-token.ts'
import { robotRoutes } from './route-robots.ts'

export { decide } from './authorize.ts'
export { identityFailures, IdentityFailure } from './failures.ts'
export { anonymous, Identity, systemCaller, type IdentityParts } from './identity.ts'
export {
  actions,
  type Action,
  type Authorize,
  type Caller,
  type CredentialLimit,
  type Decision,
  type Principal,
} from './types.ts'

/** Everything that identity serves. */
export function identityRoutes(app: FastifyInstance, identity: Identity): void {
  registryTokenRoutes(app, identity)
  accountRoutes(app, identity)
  robotRoutes(app, identity)
  accessRoutes(app, identity)
}
