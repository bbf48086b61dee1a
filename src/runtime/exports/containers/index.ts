/** What containers/image reads: the policy, and where signatures are looked up. */
export {
  containers,
  generalNotes,
  policyJson,
  registryFiles,
  scopeName,
  toJson,
  type PolicyJson,
} from './containers.ts'
export type { Requirement } from './requirement.ts'
export { meetRequirements, reject } from './scope-requirements.ts'
