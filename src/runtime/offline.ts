/** Runtimes without a server: the files for each, and what a node trusts. */
export { getRuntimeExport, runtimeExports } from './exports/index.ts'
export { policyJson, type PolicyJson, type Requirement } from './exports/containers/index.ts'
export { RuntimeFailure } from './failures.ts'
export { findScope } from './find-scope.ts'
export {
  AgentConfig,
  BackendConfig,
  defaultTimeoutMs,
  NodeConfig,
  nodeConfigPath,
  NodeCredentials,
} from './node-config.ts'
export { keyAlgorithm, makeCertificateKeys, openX509 } from './nodes/certificate-keys.ts'
export { askOnlyServer, onlyServer, serverSigner } from './only-server.ts'
export { openTrust } from './open-trust.ts'
export { restrictScopes } from './restrict-scopes.ts'
export type {
  ExportOptions,
  ExportResult,
  ExportedFile,
  NamespaceLimit,
  RunningDemands,
  RuntimeExport,
  RuntimeScope,
  RuntimeTrust,
} from './types.ts'
