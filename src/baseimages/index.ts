/** Approved base images, and which of them an image was built on. */
export { baseImageFailures, BaseImageFailure } from './failures.ts'
export { findBaseOf, type BaseMatch } from './find-base.ts'
export { baseImageRoutes, type BaseCandidate, type BaseImageParts } from './routes.ts'
