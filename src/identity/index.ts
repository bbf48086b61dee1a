/** Who is calling and what they may do: accounts, robots, tokens, roles and network rules. */
import './request-caller.ts'
import type { FastifyInstance } from 'fastify'
import type { Identity } from './identity.ts'
import { accountRoutes } from './route-accounts.ts'
import { explainRoutes } from './route-explain.ts'
import { networkRuleRoutes } from './route-network-rules.ts'
import { projectRoutes } from './route-projects.ts'
import { registryTokenRoutes } from './route-registry-token.ts'
import { robotRoutes } from './route-robots.ts'
import { roleBindingRoutes } from './route-role-bindings.ts'

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
  type Place,
  type Principal,
} from './types.ts'

/** Everything that identity serves. */
export function identityRoutes(app: FastifyInstance, identity: Identity): void {
  registryTokenRoutes(app, identity)
  accountRoutes(app, identity)
  robotRoutes(app, identity)
  projectRoutes(app, identity)
  roleBindingRoutes(app, identity)
  networkRuleRoutes(app, identity)
  explainRoutes(app, identity)
}
