import { jwtVerify, SignJWT, type JWTPayload } from 'jose'
import type { Clock } from '../kernel/clock.ts'
import { projectNameOf, type RepositoryName } from '../kernel/reference.ts'
import { IdentityFailure } from './failures.ts'
import type { Rights } from './rights.ts'
import { tokenAlgorithm, type TokenKeys } from './token-keys.ts'
import type { Action, CredentialLimit, Principal } from './types.ts'

export const tokenService = 'pratique'
const issuer = 'pratique'
const maximumTokenBytes = 16 * 1024
const maximumVerified = 10_000

/** One scope that a client asks for (Docker token scope: `repository:<name>:<action>,…`). */
export interface RequestedScope {
  readonly repository: RepositoryName
  readonly actions: readonly Action[]
  /** What the holder could have asked for as well. */
  readonly entitled: readonly Action[]
}

interface Claims extends JWTPayload {
  readonly name?: string
  readonly kind?: Principal['kind']
  readonly limits?: readonly CredentialLimit[]
  readonly full?: boolean
}

/**
 * Short-lived tokens for registry clients. A token says who and for what it was asked; what its holder may
 * is decided again at each use. Every scope carries the immutable id of its project.
 */
export class RegistryTokens {
  readonly #keys: TokenKeys
  readonly #clock: Clock
  readonly #lifetimeMs: number
  readonly #verified = new Map<string, { principal: Principal; until: number }>()

  constructor(keys: TokenKeys, clock: Clock, lifetimeMs: number) {
    this.#keys = keys
    this.#clock = clock
    this.#lifetimeMs = lifetimeMs
  }

  /** Makes a token. `limits` are the scopes that the holder had a right to when asking. */
  async issue(
    principal: Principal,
    scopes: readonly RequestedScope[],
    isCatalog: boolean,
    rights: Rights,
  ): Promise<{ token: string; expiresInSeconds: number; issuedAt: number }> {
    const { id, key } = await this.#keys.signingKey()
    const now = Math.floor(this.#clock.now() / 1000)
    const expiresInSeconds = Math.floor(this.#lifetimeMs / 1000)
    const limits: CredentialLimit[] = scopes.map(({ repository, actions, entitled }) => {
      const project = rights.projects.get(projectNameOf(repository))
      return { repository, actions, entitled, ...(project ? { projectId: project.id } : {}) }
    })
    if (isCatalog) limits.push({ actions: ['pull'] })
    const token = await new SignJWT({
      name: principal.name,
      kind: principal.kind,
      limits,
      full: !principal.limits,
    })
      .setProtectedHeader({ alg: tokenAlgorithm, typ: 'JWT', kid: id })
      .setSubject(principal.subject)
      .setIssuer(issuer)
      .setAudience(tokenService)
      .setIssuedAt(now)
      .setNotBefore(now - 5)
      .setExpirationTime(now + expiresInSeconds)
      .sign(key)
    return { token, expiresInSeconds, issuedAt: now * 1000 }
  }

  /** The principal of a token. Throws UNAUTHORIZED; the key is only ever one of ours, the algorithm fixed. */
  async verify(token: string): Promise<Principal> {
    const known = this.#verified.get(token)
    if (known && known.until > this.#clock.now()) return known.principal
    if (token.length > maximumTokenBytes) throw refused('it is too long')
    const claims = await this.#readClaims(token)
    const { sub, name, kind, limits, full, exp } = claims
    if (!sub || typeof name !== 'string' || !kind || !Array.isArray(limits) || !exp)
      throw refused('claims are missing')
    const principal: Principal = {
      kind,
      subject: sub,
      name,
      administrator: false,
      isFull: full === true,
      limits,
    }
    this.#verified.set(token, { principal, until: exp * 1000 })
    if (this.#verified.size > maximumVerified) {
      this.#verified.delete(this.#verified.keys().next().value as string)
    }
    return principal
  }

  async #readClaims(token: string): Promise<Claims> {
    try {
      const { payload } = await jwtVerify<Claims>(
        token,
        async ({ kid }) => {
          const key = await this.#keys.publicKey(kid)
          if (!key) throw new Error('its key is not one of ours')
          return key
        },
        {
          algorithms: [tokenAlgorithm],
          issuer,
          audience: tokenService,
          typ: 'JWT',
          requiredClaims: ['iat', 'exp', 'nbf', 'sub'],
          currentDate: new Date(this.#clock.now()),
        },
      )
      return payload
    } catch (error) {
      throw refused((error as Error).message, error)
    }
  }
}

function refused(why: string, cause?: unknown): IdentityFailure {
  return new IdentityFailure('UNAUTHORIZED', `the token is not good: ${why}`, { cause })
}
