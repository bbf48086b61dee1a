import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const exceptionFailures = {
  EXCEPTION_INVALID: 400,
  EXCEPTION_UNKNOWN: 404,
  /** The same is asked for already. */
  EXCEPTION_TAKEN: 409,
  /** It was decided, withdrawn or ran out before. */
  EXCEPTION_OVER: 409,
  /** Whoever asked may not be the one who decides. */
  SELF_APPROVAL: 403,
  VEX_INVALID: 400,
  /** Nothing was found that a document could speak of. */
  VEX_EMPTY: 404,
} as const satisfies FailureStatuses

export class ExceptionFailure extends Failure<keyof typeof exceptionFailures> {}
