/** The scanner without a server: reading images, matching what they hold, SBOMs. */
export { ScanningFailure, scanningFailures } from './failures.ts'
export { normalisePath } from './layers/normalise-path.ts'
export { matchInventory } from './matching/match-inventory.ts'
export { runScan, scanLimits, type ScanLimits } from './process/run-scan.ts'
export type { LayerTask, ScanTask } from './process/scan-task.ts'
export { severities, type Finding, type FindingReport, type Inventory, type Severity } from './types.ts'
export {
  currentFile,
  VulnerabilityDatabases,
  type VulnerabilityDatabase,
} from './vulndb/open-vulnerability-database.ts'
