/** What has to hold for an image, whether it does, and what may therefore leave the registry. */
export { policyFailures, PolicyFailure } from './failures.ts'
export { findEffectiveReport, findJudgedReport, markBase, type EffectiveReport } from './effective-report.ts'
export { assessImage, isCurrent, saveStanding, type Assessment } from './assess-image.ts'
export { gatherEvidence, type EvidenceParts } from './gather-evidence.ts'
export {
  endGraceJob,
  judgeAllJob,
  judgeJob,
  nothingToRun,
  requestJudgement,
  requestJudgementOfAll,
  type JudgeParts,
} from './judge.ts'
export { countsAgainst } from './counts-against.ts'
export { canonicalJson } from './levels/canonical-json.ts'
export { coversPattern, patternsMeet } from './levels/cover.ts'
export {
  effectivePolicy,
  effectivePolicyOfStage,
  mergeSignatures,
  stageOf,
} from './levels/effective-policy.ts'
export { mergeRunning } from './levels/merge-running.ts'
export { scopesOfOrganisation, scopesOfProject, type Scope as PolicyScope } from './levels/scopes.ts'
export type { EffectivePolicy, PolicyLevel, RuleSet } from './levels/types.ts'
export { getStage, parsePolicy, type PolicyDocument, type Rules, type Stage } from './policy-document.ts'
export type { RunningStatement } from './rules-schema.ts'
export type { ProjectDocument } from './project-document.ts'
export { findEffectivePolicy, listProjectPolicies } from './project-policy.ts'
export { createPullGate, listUncleared } from './pull-gate.ts'
export { judgePushedManifest } from './registry-events.ts'
export { platformImages, resolveImage, type NamedImage } from './resolve-image.ts'
export { policyRoutes, type PolicyParts } from './routes.ts'
export { evaluatePolicy } from './rules/index.ts'
export { showOutcome } from './test-policy.ts'
export { currentPolicy, findManualDecision, findVerdict, saveVerdict } from './store.ts'
export { suspendSigned } from './suspend-signed.ts'
export type { Evidence, RuleOutcome, Verdict, VerdictChange, VerdictState } from './types.ts'
export type { BaseMatch } from '../baseimages/index.ts'
