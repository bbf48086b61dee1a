import { createHmac, randomBytes } from 'node:crypto'
import type { Database } from '../database/index.ts'
import type { Clock } from '../kernel/clock.ts'
import { IdentityFailure } from './failures.ts'
import { hashSecret, matchesSecret, verifyPassword } from './secrets.ts'
import type { Action, Principal } from './types.ts'

/** Robot names are told from user names by this beginning, as registry clients know it from elsewhere. */
export const robotPrefix = 'robot$'
export const personalTokenPrefix = 'pat_'
export const robotSecretPrefix = 'rbt_'

const rememberMs = 60_000
const maximumRemembered = 10_000
const freeAttempts = 5
const attemptWindowMs = 60_000

export interface SignInParts {
  readonly database: Database
  readonly clock: Clock
  /** Writes down a sign-in that failed. */
  noteFailure(name: string, sourceAddress: string): Promise<void>
}

/**
 * Checks names with passwords, robot secrets and personal tokens. What was right a moment ago is remembered
 * under a keyed hash, so that a client that sends Basic with every request costs one slow hash a minute; the
 * account itself is looked at every time by `authorize`.
 */
export class SignIn {
  readonly #parts: SignInParts
  readonly #key = randomBytes(32)
  readonly #remembered = new Map<string, { principal: Principal; stamp: string; until: number }>()
  readonly #pending = new Map<string, Promise<Principal>>()
  readonly #failures = new Map<string, { count: number; since: number }>()

  constructor(parts: SignInParts) {
    this.#parts = parts
  }

  /** The principal of a name and secret. Throws UNAUTHORIZED, the same for an unknown name and a wrong secret. */
  async withPassword(name: string, secret: string, sourceAddress: string): Promise<Principal> {
    if (secret.startsWith(personalTokenPrefix)) return this.withPersonalToken(secret, sourceAddress)
    const key = createHmac('sha256', this.#key)
      .update(JSON.stringify([name, secret]))
      .digest('base64')
    const known = this.#remembered.get(key)
    if (known && known.until > this.#parts.clock.now() && (await this.#stampOf(name)) === known.stamp) {
      return known.principal
    }
    // Clients open many connections at once with the same credential: one slow hash serves them all.
    const pending = this.#pending.get(key)
    if (pending) return pending
    const checking = this.#check(key, name, secret, sourceAddress).finally(() => this.#pending.delete(key))
    this.#pending.set(key, checking)
    return checking
  }

  async #check(key: string, name: string, secret: string, sourceAddress: string): Promise<Principal> {
    this.#checkAttempts(name, sourceAddress)
    const found = name.startsWith(robotPrefix)
      ? await this.#robot(name, secret)
      : await this.#user(name, secret)
    if (!found) return this.#refuse(name, sourceAddress)
    this.#failures.delete(attemptKey(name, sourceAddress))
    this.#remembered.set(key, { ...found, until: this.#parts.clock.now() + rememberMs })
    if (this.#remembered.size > maximumRemembered) {
      this.#remembered.delete(this.#remembered.keys().next().value as string)
    }
    return found.principal
  }

  /** The principal of a personal access token. Throws UNAUTHORIZED. */
  async withPersonalToken(token: string, sourceAddress: string): Promise<Principal> {
    const now = this.#parts.clock.now()
    const row = await this.#parts.database
      .selectFrom('personal_token')
      .innerJoin('user_account', 'user_account.id', 'personal_token.user_id')
      .select([
        'user_account.id',
        'user_account.name',
        'administrator',
        'actions',
        'personal_token.id as token',
      ])
      .select(['expires_at', 'last_used_at'])
      .where('secret_hash', '=', hashSecret(token))
      .where('disabled', '=', 0)
      .executeTakeFirst()
    if (!row || (row.expires_at !== null && row.expires_at <= now)) {
      return this.#refuse('a personal access token', sourceAddress)
    }
    if (row.last_used_at === null || row.last_used_at < now - attemptWindowMs) {
      await this.#parts.database
        .updateTable('personal_token')
        .set({ last_used_at: now })
        .where('id', '=', row.token)
        .execute()
    }
    const actions = JSON.parse(row.actions) as Action[]
    return {
      kind: 'user',
      subject: `user:${row.id}`,
      name: row.name,
      administrator: row.administrator === 1,
      ...(actions.includes('admin') ? {} : { limits: [{ actions }] }),
    }
  }

  async #user(name: string, password: string): Promise<{ principal: Principal; stamp: string } | undefined> {
    const row = await this.#parts.database
      .selectFrom('user_account')
      .selectAll()
      .where('name', '=', name)
      .where('disabled', '=', 0)
      .executeTakeFirst()
    if (!(await verifyPassword(password, row?.password_hash)) || !row) return undefined
    const principal: Principal = {
      kind: 'user',
      subject: `user:${row.id}`,
      name: row.name,
      administrator: row.administrator === 1,
    }
    return { principal, stamp: row.password_hash }
  }

  async #robot(name: string, secret: string): Promise<{ principal: Principal; stamp: string } | undefined> {
    const now = this.#parts.clock.now()
    const row = await this.#parts.database
      .selectFrom('robot')
      .selectAll()
      .where('name', '=', name.slice(robotPrefix.length))
      .where('disabled', '=', 0)
      .executeTakeFirst()
    if (!row || (row.expires_at !== null && row.expires_at <= now)) return undefined
    const isPrevious =
      (row.previous_secret_until ?? 0) > now && matchesSecret(secret, row.previous_secret_hash)
    if (!matchesSecret(secret, row.secret_hash) && !isPrevious) return undefined
    const principal: Principal = {
      kind: 'robot',
      subject: `robot:${row.id}`,
      name: `${robotPrefix}${row.name}`,
      administrator: false,
    }
    return { principal, stamp: robotStamp(row, now) }
  }

  /** Changes whenever a remembered credential of this name may have stopped being good. */
  async #stampOf(name: string): Promise<string | undefined> {
    const { database, clock } = this.#parts
    if (name.startsWith(robotPrefix)) {
      const robot = await database
        .selectFrom('robot')
        .selectAll()
        .where('name', '=', name.slice(robotPrefix.length))
        .where('disabled', '=', 0)
        .executeTakeFirst()
      return robot && robotStamp(robot, clock.now())
    }
    const user = await database
      .selectFrom('user_account')
      .select('password_hash')
      .where('name', '=', name)
      .where('disabled', '=', 0)
      .executeTakeFirst()
    return user?.password_hash
  }

  /** Slows down guessing: a few tries a minute for a name from an address. */
  #checkAttempts(name: string, sourceAddress: string): void {
    const failures = this.#failures.get(attemptKey(name, sourceAddress))
    const now = this.#parts.clock.now()
    if (!failures || failures.since + attemptWindowMs < now || failures.count < freeAttempts) return
    const seconds = Math.ceil((failures.since + attemptWindowMs - now) / 1000)
    throw new IdentityFailure('TOO_MANY_ATTEMPTS', `too many failed sign-ins; try again in ${seconds} s`, {
      headers: { 'retry-after': String(seconds) },
    })
  }

  async #refuse(name: string, sourceAddress: string): Promise<never> {
    const key = attemptKey(name, sourceAddress)
    const now = this.#parts.clock.now()
    const before = this.#failures.get(key)
    const isRecent = before !== undefined && before.since + attemptWindowMs >= now
    this.#failures.set(key, isRecent ? { ...before, count: before.count + 1 } : { count: 1, since: now })
    if (this.#failures.size > maximumRemembered) {
      this.#failures.delete(this.#failures.keys().next().value as string)
    }
    await this.#parts.noteFailure(name.slice(0, 100), sourceAddress)
    throw new IdentityFailure('UNAUTHORIZED', 'the name and the password or token do not fit')
  }
}

function attemptKey(name: string, sourceAddress: string): string {
  return `${sourceAddress} ${name}`
}

function robotStamp(
  row: {
    secret_hash: string
    previous_secret_hash: string | null
    previous_secret_until: number | null
    expires_at: number | null
  },
  now: number,
): string {
  const isExpired = row.expires_at !== null && row.expires_at <= now
  const isOverlapOver = (row.previous_secret_until ?? 0) <= now
  return JSON.stringify([row.secret_hash, row.previous_secret_hash, isExpired, isOverlapOver])
}
