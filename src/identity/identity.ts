import { randomBytes, randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { appendAudit } from '../audit/index.ts'
import type { Database, DatabaseTransaction } from '../database/index.ts'
import type { Clock } from '../kernel/clock.ts'
import { projectNameOf, type RepositoryName } from '../kernel/reference.ts'
import { decide } from './authorize.ts'
import { IdentityFailure } from './failures.ts'
import { RegistryTokens, tokenService, type RequestedScope } from './registry-tokens.ts'
import { bumpRevision, RightsCache, type Rights } from './rights.ts'
import { hashPassword } from './secrets.ts'
import { personalTokenPrefix, SignIn } from './sign-in.ts'
import { sourceAddressOf } from './source-address.ts'
import { TokenKeys } from './token-keys.ts'
import type { Action, Caller, Decision, Place, Principal } from './types.ts'

export const anonymous: Principal = {
  kind: 'anonymous',
  subject: 'anonymous',
  name: 'anonymous',
  administrator: false,
}

/** Work that the server does by itself, in the name of a job. */
export function systemCaller(job: string): Caller {
  const principal: Principal = { kind: 'system', subject: `system:${job}`, name: job, administrator: true }
  return { principal, sourceAddress: '' }
}

export interface IdentityParts {
  readonly database: Database
  readonly clock: Clock
  readonly trustedProxies: readonly string[]
  /** How clients reach the server; undefined: as the request says. */
  readonly publicUrl?: string
  readonly tokenLifetimeMs: number
}

/** A caller with what is needed to challenge it: where the token endpoint is. */
interface Challenged extends Caller {
  readonly realm?: string
}

/** Who is calling, and may they? */
export class Identity {
  readonly database: Database
  readonly clock: Clock
  readonly keys: TokenKeys
  readonly tokens: RegistryTokens
  readonly signIn: SignIn
  readonly #parts: IdentityParts
  readonly #rights: RightsCache

  constructor(parts: IdentityParts) {
    this.#parts = parts
    this.database = parts.database
    this.clock = parts.clock
    this.keys = new TokenKeys(parts.database, parts.clock)
    this.tokens = new RegistryTokens(this.keys, parts.clock, parts.tokenLifetimeMs)
    this.#rights = new RightsCache(parts.database)
    this.signIn = new SignIn({
      database: parts.database,
      clock: parts.clock,
      noteFailure: (name, sourceAddress) => this.#noteFailedSignIn(name, sourceAddress),
    })
  }

  /** Works out who sends a request. Throws UNAUTHORIZED for a credential that is not good. */
  identifyCaller = async (headers: IncomingHttpHeaders, peerAddress: string): Promise<Caller> => {
    const sourceAddress = sourceAddressOf(peerAddress, headers['x-forwarded-for'], this.#parts.trustedProxies)
    const realm = `${this.#parts.publicUrl ?? `http://${headers.host ?? 'localhost'}`}/token`
    const caller = (principal: Principal): Challenged => ({ principal, sourceAddress, realm })
    const { authorization } = headers
    if (authorization === undefined) return caller(anonymous)
    try {
      return caller(await this.#identify(authorization, sourceAddress))
    } catch (error) {
      if (!(error instanceof IdentityFailure) || error.code !== 'UNAUTHORIZED') throw error
      throw this.#challenge(caller(anonymous), error.message)
    }
  }

  authorize = async (
    principal: Principal,
    action: Action,
    place: Place,
    sourceAddress: string,
  ): Promise<Decision> => decide(await this.#rights.current(), principal, action, place, sourceAddress)

  /** Throws DENIED with the deciding rule, or UNAUTHORIZED with a challenge for those who are not signed in. */
  requireAccess = async (caller: Caller, action: Action, repository: RepositoryName): Promise<void> => {
    const decision = await this.authorize(caller.principal, action, repository, caller.sourceAddress)
    if (decision.allowed) return
    const scope = `repository:${repository}:${action === 'push' ? 'pull,push' : action}`
    const isNarrow = caller.principal.limits !== undefined && decision.rule.includes('credential in use')
    if (caller.principal.kind === 'anonymous' || isNarrow) {
      throw this.#challenge(caller, `${action} on ${repository} needs a sign-in: ${decision.rule}`, scope)
    }
    throw new IdentityFailure('DENIED', `${action} on ${repository} is denied: ${decision.rule}`)
  }

  mayAccess = async (caller: Caller, action: Action, repository: RepositoryName): Promise<boolean> =>
    (await this.authorize(caller.principal, action, repository, caller.sourceAddress)).allowed

  /**
   * Like `mayAccess`, but of the credential that a registry token was made with: a client that only asked for
   * `pull` to check what it pushed is still one of those who push, and one that mounts a blob need not have
   * asked for the source.
   */
  isEntitled = async (caller: Caller, action: Action, repository: RepositoryName): Promise<boolean> => {
    const { limits, ...principal } = caller.principal
    const wider = limits?.map((limit) => ({ ...limit, actions: limit.entitled ?? limit.actions }))
    const holder = wider && !principal.isFull ? { ...principal, limits: wider } : principal
    return this.mayAccess({ principal: holder, sourceAddress: caller.sourceAddress }, action, repository)
  }

  /** Throws unless the caller administers the project, or without one the whole installation. */
  requireAdministrator = async (caller: Caller, project?: string): Promise<void> => {
    const place = project === undefined ? undefined : { project }
    const decision = await this.authorize(caller.principal, 'admin', place, caller.sourceAddress)
    if (decision.allowed) return
    if (caller.principal.kind === 'anonymous') throw this.#challenge(caller, 'this needs a sign-in')
    throw new IdentityFailure('DENIED', `this is for administrators: ${decision.rule}`)
  }

  /**
   * Tells of a project (undefined: of the installation) whether the caller administers it. Throws unless there
   * is something that the caller administers.
   */
  requireSomeAdministration = async (caller: Caller): Promise<(project: string | undefined) => boolean> => {
    const rights = await this.#rights.current()
    const { principal, sourceAddress } = caller
    const isTheirs = (project: string | undefined): boolean =>
      decide(rights, principal, 'admin', project === undefined ? undefined : { project }, sourceAddress)
        .allowed
    if (![...rights.projects.keys()].some(isTheirs)) await this.requireAdministrator(caller)
    return isTheirs
  }

  /** Throws UNAUTHORIZED with a challenge unless somebody with a living account is signed in. */
  requireSignIn = async (caller: Caller): Promise<void> => {
    const { accounts } = await this.#rights.current()
    if (caller.principal.kind !== 'anonymous' && accounts.has(caller.principal.subject)) return
    throw this.#challenge(caller, 'sign in first')
  }

  /** A registry token; with `isCatalog` it also covers listing whatever its holder may pull. */
  issueToken = async (
    principal: Principal,
    scopes: readonly RequestedScope[],
    isCatalog: boolean,
  ): Promise<{ token: string; expiresInSeconds: number; issuedAt: number }> =>
    this.tokens.issue(principal, scopes, isCatalog, await this.#rights.current())

  currentRights = (): Promise<Rights> => this.#rights.current()

  /**
   * The id of a repository's project. An administrator's first push makes the project; for everybody else
   * it has to be there.
   */
  ensureProject = async (
    transaction: DatabaseTransaction,
    repository: RepositoryName,
    caller: Caller,
  ): Promise<string> => {
    const name = projectNameOf(repository)
    const found = await transaction
      .selectFrom('project')
      .select('id')
      .where('name', '=', name)
      .executeTakeFirst()
    if (found) return found.id
    // The push itself was allowed already; a registry token never carries more than its scopes, so it is the
    // account that has to be an administrator's.
    const { accounts } = await this.#rights.current()
    const allowed =
      caller.principal.kind === 'system' || accounts.get(caller.principal.subject)?.administrator
    if (!allowed) {
      throw new IdentityFailure(
        'DENIED',
        `there is no project ${name}; an administrator has to make it first`,
      )
    }
    const id = randomUUID()
    const now = this.clock.now()
    await transaction.insertInto('project').values({ id, name, anonymous_pull: 0, created_at: now }).execute()
    await bumpRevision(transaction)
    await this.audit(transaction, caller, 'project.create', name)
    return id
  }

  /** Adds to the audit log in the caller's name. */
  async audit(
    transaction: DatabaseTransaction,
    caller: Caller,
    action: string,
    object: string,
    detail: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const { principal, sourceAddress } = caller
    await appendAudit(transaction, {
      at: this.clock.now(),
      principal: `${principal.subject} (${principal.name})`,
      sourceAddress,
      action,
      object,
      detail,
    })
  }

  /**
   * Makes the first administrator, `admin`, if there is no account yet. Gives the password when it was made
   * up here: it is shown once and kept nowhere.
   */
  async bootstrap(givenPassword: string | undefined): Promise<string | undefined> {
    const existing = await this.database.selectFrom('user_account').select('id').executeTakeFirst()
    if (existing) return undefined
    const password = givenPassword ?? randomBytes(18).toString('base64url')
    const row = {
      id: randomUUID(),
      name: 'admin',
      password_hash: await hashPassword(password),
      administrator: 1 as const,
      disabled: 0 as const,
      created_at: this.clock.now(),
    }
    await this.database.transaction().execute(async (transaction) => {
      await transaction.insertInto('user_account').values(row).execute()
      await bumpRevision(transaction)
      await this.audit(transaction, systemCaller('first start'), 'user.create', 'admin')
    })
    return givenPassword === undefined ? password : undefined
  }

  async #identify(authorization: string, sourceAddress: string): Promise<Principal> {
    const [scheme = '', credential = ''] = authorization.split(' ', 2)
    if (/^bearer$/i.test(scheme)) {
      return credential.startsWith(personalTokenPrefix)
        ? this.signIn.withPersonalToken(credential, sourceAddress)
        : this.tokens.verify(credential)
    }
    if (!/^basic$/i.test(scheme)) throw new IdentityFailure('UNAUTHORIZED', 'use Basic or Bearer to sign in')
    const text = Buffer.from(credential, 'base64').toString('utf8')
    const colon = text.indexOf(':')
    if (colon < 0) throw new IdentityFailure('UNAUTHORIZED', 'the Basic credential has no colon')
    return this.signIn.withPassword(text.slice(0, colon), text.slice(colon + 1), sourceAddress)
  }

  #challenge(caller: Challenged, message: string, scope?: string): IdentityFailure {
    const parameters = [`realm="${caller.realm ?? '/token'}"`, `service="${tokenService}"`]
    if (scope) parameters.push(`scope="${scope}"`)
    return new IdentityFailure('UNAUTHORIZED', message, {
      headers: {
        'www-authenticate': `Bearer ${parameters.join(',')}`,
        'docker-distribution-api-version': 'registry/2.0',
      },
    })
  }

  async #noteFailedSignIn(name: string, sourceAddress: string): Promise<void> {
    await this.database.transaction().execute((transaction) =>
      appendAudit(transaction, {
        at: this.clock.now(),
        principal: 'anonymous',
        sourceAddress,
        action: 'login.failed',
        object: name,
      }),
    )
  }
}
