/** What has to hold for an image, whether it does, and what may therefore leave the registry. */
export { policyFailures, PolicyFailure } from './failures.ts'
export { findEffectiveReport, findJudgedReport, markBase, type EffectiveReport } from './effective-report.ts'
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
export {
  parsePolicy,
  rulesFor,
  rulesForStage,
  stageOf,
  type PolicyDocument,
  type Rules,
  type Stage,
} from './policy-document.ts'
export { createPullGate } from './pull-gate.ts'
export { judgePushedManifest } from './registry-events.ts'
export { platformImages, resolveImage, type NamedImage } from './resolve-image.ts'
export { policyRoutes, type PolicyParts } from './routes.ts'
export { evaluateRules } from './rules/index.ts'
export { currentPolicy, findManualDecision, findVerdict, saveVerdict } from './store.ts'
export type { Evidence, RuleOutcome, Verdict, VerdictChange, VerdictState } from './types.ts'
export type { BaseMatch } from '../baseimages/index.ts'
