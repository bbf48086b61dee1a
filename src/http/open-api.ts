import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'

/** Describes the API in OpenAPI 3.1, out of the schemas that the routes check their requests with. */
export async function describeApi(app: FastifyInstance, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Pratique',
        version,
        description:
          'The API beside the registry. `/v2/` follows the OCI distribution specification, `/extensions/v2/` is the ' +
          'signature extension of containers/image, and neither is repeated here. Errors are `application/problem+json` (RFC 9457) with a `code`.',
      },
      components: {
        securitySchemes: {
          basic: { type: 'http', scheme: 'basic' },
          token: { type: 'http', scheme: 'bearer' },
        },
      },
      security: [{ basic: [] }, { token: [] }],
    },
  })
  app.get('/api/v1/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/json').send(app.swagger()),
  )
}
