import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const policyFailures = {
  /** The content is not cleared for the caller (distribution-spec error code). */
  DENIED: 403,
  POLICY_INVALID: 400,
  IMAGE_UNKNOWN: 404,
  REASON_MISSING: 400,
} as const satisfies FailureStatuses

export class PolicyFailure extends Failure<keyof typeof policyFailures> {}
