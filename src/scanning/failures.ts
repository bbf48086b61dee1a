import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const scanningFailures = {
  /** The image cannot be read as one; it stays uncleared. */
  SCAN_FAILED: 422,
  SCAN_UNKNOWN: 404,
  ADVISORIES_INVALID: 400,
  VULNDB_BUSY: 409,
  VULNDB_FEED: 502,
} as const satisfies FailureStatuses

export class ScanningFailure extends Failure<keyof typeof scanningFailures> {}
