/** The policy's word on an image in every report format, and on what a build has not pushed yet. */
export { gateFailures, GateFailure } from './failures.ts'
export { gateRoutes, type GateRouteParts } from './routes.ts'
