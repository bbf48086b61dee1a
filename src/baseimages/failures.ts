import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const baseImageFailures = {
  BASE_INVALID: 400,
  BASE_TAKEN: 409,
  BASE_UNKNOWN: 404,
} as const satisfies FailureStatuses

export class BaseImageFailure extends Failure<keyof typeof baseImageFailures> {}
