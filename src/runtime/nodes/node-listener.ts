import type { Server } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Static } from 'typebox'
import { buildServer, describeApi } from '../../http/index.ts'
import type { FailureStatuses } from '../../kernel/failure.ts'
import type { Log } from '../../kernel/log.ts'
import { bundleMediaType } from '../../signing/index.ts'
import { RuntimeFailure } from '../failures.ts'
import { issueTrust, type IssueParts } from '../issue-trust.ts'
import { EnrolRequest, NodeAnswer, NodeCertificate, NodeReport, RenewRequest, TrustQuery } from '../wire.ts'
import { issueServerCertificate, listAuthorities, nodeUri, serverCertificateMs } from './authority.ts'
import { enrolNode, renewNode, type EnrolledNode, type NodeParts } from './enrol-node.ts'
import { receiveReport } from './receive-report.ts'

export interface NodeListenerParts extends NodeParts, IssueParts {
  readonly log: Log
  readonly failureStatuses: FailureStatuses
  readonly listen: { readonly host: string; readonly port: number }
  /** Names and addresses by which nodes reach it. */
  readonly names: readonly string[]
  readonly version: string
}

/** The port of the nodes: mutual TLS with certificates of the server's own authority. */
export interface NodeListener {
  readonly port: number
  readonly close: () => Promise<void>
}

export async function startNodeListener(parts: NodeListenerParts): Promise<NodeListener> {
  const context = await secureContext(parts)
  const app = buildServer({
    log: parts.log,
    failureStatuses: parts.failureStatuses,
    // Who is calling is told by the certificate, and looked up by the routes that need it.
    identifyCaller: async () => null,
    https: { ...context, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.2' },
  })
  await describeApi(app, {
    title: 'Pratique for nodes',
    version: parts.version,
    description:
      'How nodes enrol, report and fetch their trust. Errors are `application/problem+json` (RFC 9457) with a `code`.',
    path: '/node/v1/openapi.json',
    securitySchemes: { node: { type: 'mutualTLS' } },
  })
  nodePortRoutes(app, parts)
  await app.listen(parts.listen)
  const server = app.server as unknown as Server
  const renewal = setInterval(
    () => {
      secureContext(parts).then(
        (fresh) => server.setSecureContext(fresh),
        (error: unknown) =>
          parts.log.error({ err: error }, 'the certificate of the port of the nodes was not renewed'),
      )
    },
    serverCertificateMs / 2 > 2 ** 31 - 1 ? 2 ** 31 - 1 : serverCertificateMs / 2,
  ).unref()
  const address = app.server.address()
  return {
    port: typeof address === 'object' && address ? address.port : parts.listen.port,
    async close() {
      clearInterval(renewal)
      await app.close()
    },
  }
}

async function secureContext(parts: NodeListenerParts) {
  const authorities = await listAuthorities(parts)
  const [authority] = authorities
  if (!authority) throw new Error('there is no authority')
  const { certificate, key } = await issueServerCertificate(authority, parts.names, parts.clock.now())
  return {
    // The authority goes with it: who enrols knows it by its fingerprint only.
    cert: `${certificate}\n${authority.certificatePem}`,
    key,
    ca: authorities.map(({ certificatePem }) => certificatePem),
  }
}

const about = (operationId: string, summary: string) => ({ operationId, summary, tags: ['runtime'] })

function nodePortRoutes(app: FastifyInstance, parts: NodeListenerParts): void {
  app.post<{ Body: Static<typeof EnrolRequest> }>(
    '/node/v1/enrol',
    {
      schema: {
        ...about('enrolNode', 'Certify the key of a node that has a token'),
        security: [],
        body: EnrolRequest,
        response: { 200: NodeCertificate },
      },
    },
    async ({ body }) => enrolNode(parts, body),
  )
  app.post<{ Body: Static<typeof RenewRequest> }>(
    '/node/v1/renew',
    {
      schema: {
        ...about('renewNode', 'Certify another key of a node that has a certificate'),
        body: RenewRequest,
        response: { 200: NodeCertificate },
      },
    },
    async (request) => renewNode(parts, await nodeOf(parts, request), request.body.request),
  )
  app.post<{ Body: NodeReport }>(
    '/node/v1/report',
    {
      bodyLimit: 4 * 1024 * 1024,
      schema: {
        ...about('reportNode', 'Tell what runs, and hear what is withdrawn'),
        body: NodeReport,
        response: { 200: NodeAnswer },
      },
    },
    async (request) => receiveReport(parts, await nodeOf(parts, request), request.body),
  )
  app.get<{ Querystring: TrustQuery }>(
    '/node/v1/trust',
    {
      schema: {
        ...about('fetchNodeTrust', 'Whom and what this node is to trust, signed: a Sigstore bundle'),
        querystring: TrustQuery,
      },
    },
    async (request, reply) => {
      await nodeOf(parts, request)
      return reply.type(bundleMediaType).send(await issueTrust(parts, request.query))
    },
  )
}

/** The node of a connection. Throws NODE_UNKNOWN for a certificate that is not ours, has ended, or whose node is gone. */
async function nodeOf({ database }: NodeListenerParts, { socket }: FastifyRequest): Promise<EnrolledNode> {
  const secure = socket as TLSSocket
  const certificate = secure.getPeerCertificate()
  const id = new RegExp(`URI:${nodeUri('([0-9a-f-]{36})')}$`).exec(certificate.subjectaltname ?? '')?.[1]
  if (!secure.authorized || id === undefined) {
    const why = secure.authorizationError ? ` (${String(secure.authorizationError)})` : ''
    throw new RuntimeFailure(
      'NODE_UNKNOWN',
      `the node shows no certificate that holds${why}; set its clock, or enrol it again`,
    )
  }
  const node = await database
    .selectFrom('node')
    .select(['id', 'name'])
    .where('id', '=', id)
    .executeTakeFirst()
  if (node) return node
  throw new RuntimeFailure('NODE_UNKNOWN', 'the node was removed; enrol it again with a new token')
}
