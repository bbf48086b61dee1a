import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const identityFailures = {
  /** Nobody is signed in, or the credential is not good. */
  UNAUTHORIZED: 401,
  /** Somebody is, and may not. */
  DENIED: 403,
  ACCOUNT_INVALID: 400,
  ACCOUNT_UNKNOWN: 404,
  NAME_TAKEN: 409,
  PROJECT_UNKNOWN: 404,
  PROJECT_IN_USE: 409,
  RULE_INVALID: 400,
  RULE_UNKNOWN: 404,
  TOO_MANY_ATTEMPTS: 429,
} as const satisfies FailureStatuses

export class IdentityFailure extends Failure<keyof typeof identityFailures> {}
