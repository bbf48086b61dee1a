import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const notificationFailures = {
  SUBSCRIPTION_INVALID: 400,
  SUBSCRIPTION_UNKNOWN: 404,
  SUBSCRIPTION_NAME_TAKEN: 409,
} as const satisfies FailureStatuses

export class NotificationFailure extends Failure<keyof typeof notificationFailures> {}
