import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { ServerOptions as SecureServerOptions } from 'node:https'
import fastify, { LogController, type FastifyInstance } from 'fastify'
import { Failure, type FailureStatuses } from '../kernel/failure.ts'
import type { Log } from '../kernel/log.ts'
import { failureRenderer } from './render-failure.ts'

/** Largest JSON body of the API, in bytes. The registry reads its own bodies as streams. */
const maximumJsonBytes = 1024 * 1024

/** What the edge needs to know; the functions are other subjects', passed in by `compose.ts`. */
export interface ServerParts<Caller> {
  readonly log: Log
  readonly failureStatuses: FailureStatuses
  /** Works out who is calling. Throws a Failure for a credential that is not good. */
  identifyCaller(headers: IncomingHttpHeaders, peerAddress: string): Promise<Caller>
  /** With TLS of our own, where no proxy is in front. */
  readonly https?: SecureServerOptions
}

/** The server with its edge set up; subjects add their routes to it, then the caller listens. */
export function buildServer<Caller>(parts: ServerParts<Caller>): FastifyInstance {
  const app = fastify({
    loggerInstance: parts.log,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    bodyLimit: maximumJsonBytes,
    // A field that a schema does not know is a mistake or an attack: refused, never dropped in silence.
    ajv: { customOptions: { removeAdditional: false } },
    routerOptions: { maxParamLength: 4096, ignoreTrailingSlash: false },
    http: { maxHeaderSize: 32 * 1024, headersTimeout: 20_000, requestTimeout: 0, keepAliveTimeout: 75_000 },
    forceCloseConnections: true,
    ...(parts.https ? { https: parts.https } : {}),
  }) as unknown as FastifyInstance
  app.setErrorHandler(failureRenderer(parts.failureStatuses))
  app.setNotFoundHandler(async (request) => {
    throw new Failure('NOT_FOUND', `nothing is served at ${request.method} ${request.url.split('?', 1)[0]}`)
  })
  app.decorateRequest('caller', null as never)
  app.addHook('onRequest', async (request) => {
    request.caller = (await parts.identifyCaller(
      request.headers,
      request.socket.remoteAddress ?? '',
    )) as typeof request.caller
  })
  return app
}
