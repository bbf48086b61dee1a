import { STATUS_CODES } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Failure, type FailureStatuses } from '../kernel/failure.ts'

/** Codes of the edge itself. */
export const httpFailures = {
  NOT_FOUND: 404,
  REQUEST_INVALID: 400,
  UNSUPPORTED: 405,
  BODY_TOO_LARGE: 413,
} as const satisfies FailureStatuses

/**
 * Turns whatever was thrown into an answer: the OCI error body under `/v2/` and for its extension (distribution-spec,
 * "Error Codes"), `application/problem+json` (RFC 9457) elsewhere. What is not a `Failure` is our bug: it is
 * logged with the request id and answered as a bare 500.
 */
export function failureRenderer(statuses: FailureStatuses) {
  return async (error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const failure = asFailure(error)
    const status = failure ? (statuses[failure.code] ?? 500) : 500
    if (!failure || status === 500) request.log.error({ err: error, requestId: request.id }, 'request failed')
    const code = failure?.code ?? 'INTERNAL_ERROR'
    const message =
      failure?.message ?? `something went wrong here; the log has it under request ${request.id}`
    reply.code(status).headers(failure?.headers ?? {})
    if (status === 408 || hasMuchLeft(request)) reply.header('connection', 'close')
    if (isRegistryRoute(request)) {
      reply.type('application/json')
      await sendJson(reply, { errors: [{ code, message, detail: failure?.detail ?? null }] })
      return
    }
    reply.type('application/problem+json')
    await sendJson(reply, {
      type: 'about:blank',
      title: STATUS_CODES[status] ?? 'Error',
      status,
      code,
      detail: message,
      ...(failure?.detail === undefined ? {} : { context: failure.detail }),
    })
  }
}

const maximumDiscardedBytes = 16 * 1024 * 1024

/**
 * What is left of a small body Node reads and drops, so that the client can finish sending and read the
 * answer. A large one, or one of unknown length, costs the connection instead.
 */
function hasMuchLeft({ raw }: FastifyRequest): boolean {
  if (raw.complete) return false
  const length = raw.headers['content-length']
  return length === undefined
    ? raw.headers['transfer-encoding'] !== undefined
    : Number(length) > maximumDiscardedBytes
}

/** As bytes: to text Fastify would add a charset, which neither media type has. */
async function sendJson(reply: FastifyReply, body: object): Promise<void> {
  await reply.send(Buffer.from(JSON.stringify(body)))
}

function isRegistryRoute(request: FastifyRequest): boolean {
  const url = request.raw.url ?? ''
  return url === '/v2' || url.startsWith('/v2/') || url.startsWith('/extensions/v2/')
}

/** Fastify's own refusals (schema, body size, media type) carry a 4xx status; they become failures too. */
function asFailure(error: unknown): Failure | undefined {
  if (error instanceof Failure) return error
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Failure(fastifyCodes[statusCode] ?? 'REQUEST_INVALID', message ?? 'the request is not valid')
  }
  return undefined
}

const fastifyCodes: Readonly<Record<number, string>> = { 404: 'NOT_FOUND', 413: 'BODY_TOO_LARGE' }
