/** What images hold, and which vulnerabilities that has. */
export { scanningFailures, ScanningFailure } from './failures.ts'
export { packageRoutes } from './route-packages.ts'
export { scanningRoutes, type ScanningRouteParts } from './routes.ts'
export { updateDatabaseJob, type DatabaseEvent } from './update-database.ts'
export { rematchJob, requestRematch, type FindingsChange, type RematchParts } from './rematch-job.ts'
export { scanJob, type ScanJobParts } from './scan-job.ts'
export { findReport, findScan, requestScan, type Scan } from './store.ts'
export {
  severities,
  type CoverageGap,
  type Finding,
  type FindingException,
  type FindingReport,
  type InstalledPackage,
  type Inventory,
  type Severity,
} from './types.ts'
export { importAdvisories, type ImportReport } from './vulndb/import-advisories.ts'
export { VulnerabilityDatabases, type VulnerabilityDatabase } from './vulndb/open-vulnerability-database.ts'
