/** The gate of a build, without a server around it. */
export { askedHere, defaultRules } from './decide.ts'
export { getReportFormat, reportFormats } from './reports/index.ts'
export { judgeTarget, runGate, type GateParts } from './run-gate.ts'
export {
  findTargetKind,
  openTarget,
  targetKinds,
  type OpenTarget,
  type TargetOptions,
} from './targets/index.ts'
export { tightenVerdict } from './tighten-verdict.ts'
export type { GateReason, GateResult, GateVerdict } from './types.ts'
export { readRules, type RuleSet } from '../policy/offline.ts'
export { compareSboms, readSbom, VulnerabilityDatabases } from '../scanning/offline.ts'
/** The vulnerability database of a machine of its own. */
export * as vulndb from './vulndb.ts'
