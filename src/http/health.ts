import type { FastifyInstance } from 'fastify'

export interface HealthParts {
  /** Names what is not ready, or nothing. */
  findFaults(): Promise<readonly string[]>
}

/** `/healthz`: the process answers. `/readyz`: what it needs answers too. */
export function healthRoutes(app: FastifyInstance, parts: HealthParts): void {
  app.get('/healthz', { schema: { hide: true } }, async () => ({ status: 'ok' }))
  app.get('/readyz', { schema: { hide: true } }, async (_request, reply) => {
    const faults = await parts.findFaults()
    return reply
      .code(faults.length === 0 ? 200 : 503)
      .send({ status: faults.length === 0 ? 'ready' : 'not ready', faults })
  })
}
