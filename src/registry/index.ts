/** Repositories, tags, manifests, blobs, uploads and referrers (OCI distribution-spec 1.1). */
export { FileBlobStore } from './blobs/file-blob-store.ts'
export { ensureRepository } from './ensure-repository.ts'
export { registryFailures, RegistryFailure } from './failures.ts'
export {
  collectGarbage,
  type GarbageCollectionParts,
  type GarbageReport,
} from './garbage-collection/collect-garbage.ts'
export { fallbackTag, listReferrers } from './list-referrers.ts'
export { isRunnableLayer, parseManifest, type ParsedManifest } from './parse-manifest.ts'
export type { RegistryLimits, RegistryParts } from './parts.ts'
export { pushManifest, type ManifestToPush, type PushedManifest } from './push-manifest.ts'
export { registryRoutes } from './routes.ts'
export { applyRetention } from './rules/apply-retention.ts'
export { assertTagMutable } from './rules/assert-tag-mutable.ts'
export { maintenanceRoutes, type MaintenanceParts } from './rules/routes.ts'
export { storeBlobBytes } from './store-blob.ts'
export {
  findBlob,
  findLinkedBlob,
  findManifest,
  findManifestAnywhere,
  findRepository,
  insertManifest,
  linkBlob,
  linkManifest,
  listRepositories,
  resolveReference,
  setTag,
  tagsOf,
  type BlobRow,
  type StoredManifest,
} from './store.ts'
export type {
  BlobStore,
  ByteRange,
  ContentDeleted,
  Location,
  ManifestKind,
  ManifestPushed,
  MayAccess,
  PullGate,
  RegistryEvents,
  RepositoryRef,
  RequireAccess,
  StoredBytes,
  UploadStore,
} from './types.ts'
