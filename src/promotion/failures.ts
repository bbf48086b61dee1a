import { Failure, type FailureStatuses } from '../kernel/failure.ts'

export const promotionFailures = {
  STAGE_UNKNOWN: 400,
  /** The rules of the target stage do not hold; the detail lists each. */
  PROMOTION_REFUSED: 409,
  /** Something changed while it was decided. */
  PROMOTION_OUTDATED: 409,
} as const satisfies FailureStatuses

export class PromotionFailure extends Failure<keyof typeof promotionFailures> {}
