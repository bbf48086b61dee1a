/** The scanner without a server: reading images, matching what they hold, SBOMs. */
export { ScanningFailure, scanningFailures } from './failures.ts'
export { decompress, isPacked } from './layers/decompress.ts'
export { readTar } from './layers/read-tar.ts'
export { normalisePath } from './layers/normalise-path.ts'
export { describeLayers, type LayerConfig } from './describe-layers.ts'
export { describeDatabase, describeImport } from './describe-database.ts'
export { matchInventory } from './matching/match-inventory.ts'
export { runScan, scanLimits, type ScanLimits } from './process/run-scan.ts'
export type { LayerTask, ScanTask } from './process/scan-task.ts'
export { compareSboms, type SbomComparison } from './sbom/compare-sboms.ts'
export { loadCycloneDx, makeBom, serialiseBom, type Bom } from './sbom/cyclonedx/make-bom.ts'
export { sbomFormats } from './sbom/formats.ts'
export { maximumSbomBytes, readSbom } from './sbom/read-sbom.ts'
export { makeSpdxDocument } from './sbom/spdx-2/make-document.ts'
export { toInventory } from './sbom/to-inventory.ts'
export type { ReadSbom, SbomFormat, SbomPackage, SbomSubject } from './sbom/types.ts'
export { uuidOf } from './sbom/uuid-of.ts'
export {
  packageTypes,
  severities,
  type Finding,
  type FindingReport,
  type InstalledPackage,
  type Inventory,
  type PackageType,
  type Severity,
} from './types.ts'
export { VulnerabilityDatabases, type VulnerabilityDatabase } from './vulndb/open-vulnerability-database.ts'
export { versionOrders } from './versions/index.ts'
export { importBundle } from './vulndb/bundle/read-bundle.ts'
export { readPublicKey } from './vulndb/bundle/sign-manifest.ts'
export { runImport } from './vulndb/run-import.ts'
export { updateFromFeeds, type FeedSettings } from './vulndb/update-from-feeds.ts'
