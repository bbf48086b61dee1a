import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'

/** An API that describes itself. */
export interface DescribedApi {
  readonly title: string
  readonly version: string
  readonly description: string
  /** Where the description is served. */
  readonly path: string
  /** Ways to say who is calling, by name; one of them is enough. */
  readonly securitySchemes: Readonly<
    Record<string, { readonly type: 'http' | 'mutualTLS'; readonly scheme?: string }>
  >
}

/** Describes an API in OpenAPI 3.1, out of the schemas that the routes check their requests with. */
export async function describeApi(app: FastifyInstance, api: DescribedApi): Promise<void> {
  const { title, version, description, path, securitySchemes } = api
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title, version, description },
      components: { securitySchemes: securitySchemes as never },
      security: Object.keys(securitySchemes).map((name) => ({ [name]: [] })),
    },
  })
  app.get(path, { schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/json').send(app.swagger()),
  )
}
