/** The agent and its clients: what stays small for as long as a node runs, apart from what verifies and examines. */
export { placesOf, type Places } from './agent-places.ts'
export { enterNamespaces, enterPassingNamespaces } from './rootless/enter-namespaces.ts'
export { openAgent, type Agent, type AgentParts } from './open-agent.ts'
export { connectCri, type CriClient } from './cri/connect-cri.ts'
export type {
  ContainerConfig,
  ContainerStatus,
  PodSandboxConfig,
  PodSandboxMetadata,
} from './cri/cri-types.ts'
export { CriFailure } from './cri/failures.ts'
export type { Loose } from './cri/protocol.ts'
export { clearThroughAgent, pullThroughAgent, type NodePullEvent } from './node-service.ts'
export { connectStream, type LocalStreams } from './streaming/connect-stream.ts'
export { writePermit } from './clearance/permits.ts'
export { enrol } from './enrolment/enrol.ts'
export { enrolmentFolder } from './enrolment/enrolment-folder.ts'
