import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const gateFailures = {
  /** What was named to be scanned is not there, or is not what it is said to be. */
  TARGET_INVALID: 400,
  TARGET_UNREACHABLE: 502,
  REPORT_UNKNOWN: 400,
} as const satisfies FailureStatuses

export class GateFailure extends Failure<keyof typeof gateFailures> {}
