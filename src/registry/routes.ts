import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { blobHandlers } from './route-blobs.ts'
import { listHandlers } from './route-lists.ts'
import { manifestHandlers } from './route-manifests.ts'
import { uploadHandlers } from './route-uploads.ts'
import { RegistryFailure } from './failures.ts'
import { parsePath, type RegistryPath } from './parse-path.ts'
import type { RegistryParts } from './parts.ts'
import { PullLog } from './pull-log.ts'
import { signatureHandlers } from './signature-extension/route-signatures.ts'
import { Uploads } from './uploads.ts'

/** One request to the registry: where it goes, its query, and who asks. */
export interface RegistryRequest<Kind extends RegistryPath['kind']> {
  readonly path: Extract<RegistryPath, { kind: Kind }>
  readonly query: URLSearchParams
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

export type Handler<Kind extends RegistryPath['kind']> = (
  request: RegistryRequest<Kind>,
) => Promise<FastifyReply>

/** For each kind of path, the methods that it answers. */
export type Handlers = { readonly [Kind in RegistryPath['kind']]: Readonly<Record<string, Handler<Kind>>> }

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** Serves `/v2/` (distribution-spec, "API") and its signature extension. Gives a function that writes down what is still in memory. */
export function registryRoutes(app: FastifyInstance, parts: RegistryParts): { close(): Promise<void> } {
  const pulls = new PullLog(parts.database, parts.log)
  const uploads = new Uploads(parts)
  const handlers: Handlers = {
    ...listHandlers(parts),
    ...manifestHandlers(parts, pulls),
    ...blobHandlers(parts),
    ...uploadHandlers(parts, uploads),
    ...signatureHandlers(parts),
  }
  void app.register(async (scope) => {
    // Bodies are read as streams by those who know their limit.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    const handler = (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
      dispatch(handlers, request, reply)
    scope.route({ method: [...methods], url: '/v2', handler, schema: { hide: true } })
    scope.route({ method: [...methods], url: '/v2/*', handler, schema: { hide: true } })
    scope.route({ method: [...methods], url: '/extensions/v2/*', handler, schema: { hide: true } })
  })
  return { close: () => pulls.close() }
}

async function dispatch(
  handlers: Handlers,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const url = request.raw.url ?? ''
  const question = url.indexOf('?')
  const pathText = question < 0 ? url : url.slice(0, question)
  reply.header('docker-distribution-api-version', 'registry/2.0')
  const path = parsePath(pathText)
  if (!path) throw new RegistryFailure('NAME_UNKNOWN', `no endpoint has the form ${pathText.slice(0, 300)}`)
  const byMethod = handlers[path.kind] as Readonly<Record<string, Handler<typeof path.kind>>>
  const handler = byMethod[request.method]
  if (!handler) {
    throw new RegistryFailure('UNSUPPORTED', `${request.method} is not supported here`, {
      headers: { allow: Object.keys(byMethod).join(', ') },
    })
  }
  const query = new URLSearchParams(question < 0 ? '' : url.slice(question + 1))
  return handler({ path, query, request, reply })
}
