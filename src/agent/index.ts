/** What runs on a node: the verifier that containerd calls, and the doctor that looks for ways around it. */
export { examineNode, machineAt } from './doctor/examine-node.ts'
export type { Check } from './doctor/types.ts'
export type { Answer } from './judge-image.ts'
export { readCredentials, readNodeConfig, trustFile, type Node } from './read-node.ts'
export { verifyOnNode, type VerifierParts } from './verify-image.ts'
