import { Failure, type FailureStatuses } from '../kernel/failure.ts'

/** distribution-spec, "Error Codes", and the HTTP status of each. */
export const registryFailures = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_TOO_LARGE: 413,
  MANIFEST_UNKNOWN: 404,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  /** A chunk out of order, or a range outside the blob. */
  RANGE_INVALID: 416,
  PAGE_INVALID: 400,
  BODY_TIMEOUT: 408,
  TAG_IMMUTABLE: 409,
  /** The tag is another than the client last saw (RFC 9110, section 13.1.1). */
  TAG_CHANGED: 412,
  DENIED: 403,
  SIGNATURE_INVALID: 400,
  SIGNATURES_FULL: 409,
  RULE_INVALID: 400,
  RULE_UNKNOWN: 404,
} as const satisfies FailureStatuses

export class RegistryFailure extends Failure<keyof typeof registryFailures> {}
