import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const scanningFailures = {
  /** The image cannot be read as one; it stays uncleared. */
  SCAN_FAILED: 422,
  SCAN_UNKNOWN: 404,
  ADVISORIES_INVALID: 400,
  VULNDB_BUSY: 409,
  VULNDB_FEED: 502,
  /** A bundle of the vulnerability database that is damaged, or not from a trusted key, or older than what is used. */
  BUNDLE_INVALID: 400,
  BUNDLE_UNTRUSTED: 403,
  BUNDLE_OLDER: 409,
  /** What was given as an SBOM is none that can be read. */
  SBOM_INVALID: 400,
} as const satisfies FailureStatuses

export class ScanningFailure extends Failure<keyof typeof scanningFailures> {}
