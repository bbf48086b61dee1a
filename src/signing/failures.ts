import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const signingFailures = {
  KEY_INVALID: 400,
  SIGNER_INVALID: 400,
  SIGNER_TAKEN: 409,
  SIGNER_UNKNOWN: 404,
  /** A tag with signatures that holds something else, or as many as one can. */
  SIGNATURES_UNREADABLE: 409,
  SIGNATURES_FULL: 409,
  /** A certificate authority, log or timestamp authority refused, or did not answer. */
  SIGNING_FAILED: 502,
} as const satisfies FailureStatuses

export class SigningFailure extends Failure<keyof typeof signingFailures> {}
