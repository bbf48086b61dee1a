import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'
import { isDigest } from '../kernel/digest.ts'
import { parseRepositoryName } from '../kernel/reference.ts'
import { IdentityFailure } from './failures.ts'
import type { Identity } from './identity.ts'
import { tokenService, type RequestedScope } from './registry-tokens.ts'
import { actions, type Action, type Caller } from './types.ts'

const maximumScopes = 50

const TokenQuery = Type.Object({
  service: Type.Optional(Type.String({ maxLength: 200 })),
  scope: Type.Optional(
    Type.Union([
      Type.String({ maxLength: 4000 }),
      Type.Array(Type.String({ maxLength: 4000 }), { maxItems: 50 }),
    ]),
  ),
  account: Type.Optional(Type.String({ maxLength: 200 })),
  client_id: Type.Optional(Type.String({ maxLength: 200 })),
  offline_token: Type.Optional(Type.String({ maxLength: 10 })),
})

const TokenAnswer = Type.Object({
  token: Type.String(),
  access_token: Type.String(),
  expires_in: Type.Integer(),
  issued_at: Type.String({ format: 'date-time' }),
})

/**
 * The token endpoint of registry clients (Docker's token authentication: GET with Basic, or the OAuth 2 form
 * of it as POST), and the public keys that its tokens are signed with.
 */
export function registryTokenRoutes(app: FastifyInstance, identity: Identity): void {
  app.get<{ Querystring: Static<typeof TokenQuery> }>(
    '/token',
    {
      schema: {
        operationId: 'getRegistryToken',
        summary: 'A short-lived token for the registry',
        tags: ['sign-in'],
        querystring: TokenQuery,
        response: { 200: TokenAnswer },
      },
    },
    async (request) => {
      if (request.headers.authorization !== undefined) await identity.requireSignIn(request.caller)
      return answer(identity, request.caller, request.query.service, [request.query.scope ?? []].flat())
    },
  )
  void app.register(async (scope) => {
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: 64 * 1024 },
      (_request, body, done) => done(null, new URLSearchParams(body as string)),
    )
    scope.post('/token', { schema: { hide: true } }, async (request) => {
      const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams()
      if (form.get('grant_type') !== 'password') {
        throw new IdentityFailure('UNAUTHORIZED', 'only grant_type=password is served here')
      }
      const caller = await signInWithForm(identity, form, request)
      return answer(identity, caller, form.get('service') ?? undefined, form.getAll('scope'))
    })
  })
  app.get(
    '/.well-known/jwks.json',
    {
      schema: {
        operationId: 'getJwks',
        summary: 'Public keys of the registry tokens (RFC 7517)',
        tags: ['sign-in'],
        response: { 200: Type.Object({ keys: Type.Array(Type.Record(Type.String(), Type.Unknown())) }) },
      },
    },
    async () => identity.keys.jwks(),
  )
}

async function signInWithForm(
  identity: Identity,
  form: URLSearchParams,
  request: FastifyRequest,
): Promise<Caller> {
  const { sourceAddress } = request.caller
  const name = form.get('username') ?? ''
  const principal = await identity.signIn.withPassword(name, form.get('password') ?? '', sourceAddress)
  return { principal, sourceAddress }
}

async function answer(
  identity: Identity,
  caller: Caller,
  service: string | undefined,
  scopeTexts: readonly string[],
): Promise<Static<typeof TokenAnswer>> {
  if (service !== undefined && service !== tokenService) {
    throw new IdentityFailure('UNAUTHORIZED', `this server issues tokens for service ${tokenService} only`)
  }
  const texts = scopeTexts.flatMap((text) => text.split(' ')).filter((text) => text !== '')
  if (texts.length > maximumScopes) {
    throw new IdentityFailure('UNAUTHORIZED', `${texts.length} scopes; at most ${maximumScopes} in one token`)
  }
  const granted: RequestedScope[] = []
  for (const scope of texts.map(parseScope)) {
    if (!scope) continue
    const entitled: Action[] = []
    for (const action of actions) {
      if (action !== 'admin' && (await identity.mayAccess(caller, action, scope.repository)))
        entitled.push(action)
    }
    const allowed = scope.actions.filter((action) => entitled.includes(action))
    if (allowed.length > 0) granted.push({ repository: scope.repository, actions: allowed, entitled })
  }
  const isCatalog = texts.includes('registry:catalog:*')
  const { token, expiresInSeconds, issuedAt } = await identity.issueToken(
    caller.principal,
    granted,
    isCatalog,
  )
  return {
    token,
    access_token: token,
    expires_in: expiresInSeconds,
    issued_at: new Date(issuedAt).toISOString(),
  }
}

/** `repository:<name>:<action>,…`; other kinds of scope give nothing and are passed over, as clients expect. */
function parseScope(text: string): Omit<RequestedScope, 'entitled'> | undefined {
  const match = /^repository:(.+):([a-z*,]+)$/.exec(text)
  if (!match || isDigest(text)) return undefined
  const asked = (match[2] as string).split(',')
  // Clients know no scope for attaching a signature: they ask for `push`, and get what they may of it.
  const widened = asked.includes('push') ? [...asked, 'sign'] : asked
  const named = asked.includes('*') ? actions.filter((action) => action !== 'admin') : widened
  return {
    repository: parseRepositoryName(match[1] as string),
    actions: actions.filter((action) => named.includes(action)),
  }
}
