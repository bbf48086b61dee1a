import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const signingFailures = {
  KEY_INVALID: 400,
  KEY_TAKEN: 409,
  KEY_UNKNOWN: 404,
} as const satisfies FailureStatuses

export class SigningFailure extends Failure<keyof typeof signingFailures> {}
