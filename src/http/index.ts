/** The edge: listening, limits, who is calling, and how a failure becomes an answer. */
export { buildServer, type ServerParts } from './build-server.ts'
export { describeApi } from './open-api.ts'
export { httpFailures } from './render-failure.ts'
export { healthRoutes, type HealthParts } from './health.ts'
export { metricsRoutes, type MetricGauge, type MetricsParts } from './metrics.ts'
