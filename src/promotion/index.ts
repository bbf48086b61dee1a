/** Images on their way through the stages. */
export { promotionFailures, PromotionFailure } from './failures.ts'
export { promoteImage, type PromotionParts, type PromotionResult } from './promote-image.ts'
export { promotionRoutes } from './routes.ts'
