/** What runtimes on nodes are told, so that they verify what the policy asks. */
export { runtimeFailures, RuntimeFailure } from './failures.ts'
export { runtimeRoutes, type RuntimeParts } from './routes.ts'
export type { RuntimeScope, RuntimeTrust } from './types.ts'
export { startNodeListener, type NodeListener } from './nodes/node-listener.ts'
