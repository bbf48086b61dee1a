/** The agent and its clients: what stays small for as long as a node runs, apart from what verifies and examines. */
export { placesOf, type Places } from './agent-places.ts'
export { openAgent, type Agent, type AgentParts } from './open-agent.ts'
export { connectCri, type CriClient } from './cri/connect-cri.ts'
export type { ContainerConfig, ContainerStatus, PodSandboxConfig } from './cri/cri-types.ts'
export { CriFailure } from './cri/failures.ts'
export type { Loose } from './cri/protocol.ts'
export { pullThroughAgent, type NodePullEvent } from './node-service.ts'
export { connectStream, type LocalStreams } from './streaming/connect-stream.ts'
