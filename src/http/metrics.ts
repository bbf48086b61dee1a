import type { FastifyInstance, FastifyRequest } from 'fastify'
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

export interface MetricsParts {
  /** Throws unless the caller may read metrics. */
  requireReader(request: FastifyRequest): Promise<void>
  /** Counts by name and label value, read when metrics are asked for. */
  readonly gauges: readonly MetricGauge[]
}

export interface MetricGauge {
  readonly name: string
  readonly help: string
  readonly label: string
  read(): Promise<Readonly<Record<string, number>>>
}

/** Prometheus metrics at `/metrics`: requests, and what the subjects count. */
export function metricsRoutes(app: FastifyInstance, parts: MetricsParts): void {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: 'pratique_' })
  const labelNames = ['method', 'route', 'status'] as const
  const seconds = new Histogram({
    name: 'pratique_http_request_duration_seconds',
    help: 'Time from the request to the end of the answer',
    labelNames,
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers: [registry],
  })
  const answers = new Counter({
    name: 'pratique_http_requests_total',
    help: 'Requests answered',
    labelNames,
    registers: [registry],
  })
  const gauges = parts.gauges.map((source) => {
    const { name, help, label } = source
    return { gauge: new Gauge({ name, help, labelNames: [label], registers: [registry] }), source }
  })
  app.addHook('onResponse', async (request, reply) => {
    const labels = {
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      status: String(reply.statusCode),
    }
    seconds.observe(labels, reply.elapsedTime / 1000)
    answers.inc(labels)
  })
  app.get('/metrics', { schema: { hide: true } }, async (request, reply) => {
    await parts.requireReader(request)
    for (const { gauge, source } of gauges) {
      gauge.reset()
      for (const [value, count] of Object.entries(await source.read()))
        gauge.set({ [source.label]: value }, count)
    }
    return reply.type(registry.contentType).send(await registry.metrics())
  })
}
