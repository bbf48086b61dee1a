/** What has to hold for an image, whether it does, and what may therefore leave the registry. */
export { policyFailures, PolicyFailure } from './failures.ts'
export { gatherEvidence, type EvidenceParts } from './gather-evidence.ts'
export {
  endGraceJob,
  evaluateImage,
  judgeAllJob,
  judgeJob,
  requestJudgement,
  requestJudgementOfAll,
  type JudgeParts,
} from './judge.ts'
export { parsePolicy, rulesFor, stageOf, type PolicyDocument, type Stage } from './policy-document.ts'
export { createPullGate } from './pull-gate.ts'
export { judgePushedManifest } from './registry-events.ts'
export { platformImages, resolveImage, type NamedImage } from './resolve-image.ts'
export { policyRoutes, type PolicyParts } from './routes.ts'
export { evaluateRules } from './rules/index.ts'
export { currentPolicy, findManualDecision, findVerdict, saveVerdict } from './store.ts'
export type { Evidence, RuleOutcome, Verdict, VerdictState } from './types.ts'
