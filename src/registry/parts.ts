import type { Database } from '../database/index.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import type { Caller } from '../identity/index.ts'
import type { DatabaseTransaction } from '../database/index.ts'
import type { BlobStore, MayAccess, PullGate, RegistryEvents, RequireAccess, UploadStore } from './types.ts'

/** What the registry is allowed to take. */
export interface RegistryLimits {
  /** Largest manifest, in bytes. */
  readonly manifestBytes: number
  /** Most entries on one page of a list. */
  readonly pageSize: number
  readonly uploadsPerPrincipal: number
  /** How long a request body may pause before it is given up. */
  readonly bodyIdleMs: number
  /** How long an upload may lie unfinished. */
  readonly uploadExpiryMs: number
  /** How long a blob is kept for the manifest that is to refer to it. */
  readonly blobLeaseMs: number
}

/** What the registry works with; functions of other subjects come from `compose.ts`. */
export interface RegistryParts {
  readonly database: Database
  readonly blobs: BlobStore & UploadStore
  readonly clock: Clock
  readonly log: Log
  readonly limits: RegistryLimits
  readonly requireAccess: RequireAccess
  readonly mayAccess: MayAccess
  /** Like `mayAccess`, but of the credential behind a registry token, whatever scopes the client asked for. */
  readonly isEntitled: MayAccess
  /** Throws UNAUTHORIZED with a challenge when the caller has to sign in first. */
  requireSignIn(caller: Caller): Promise<void>
  /** The project of a repository; made for an administrator who pushes first. Throws when there is none. */
  ensureProject(transaction: DatabaseTransaction, repository: RepositoryName, caller: Caller): Promise<string>
  readonly pullGate: PullGate
  readonly events: RegistryEvents
}
