import { randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, importJWK, type JWK } from 'jose'
import type { Database } from '../database/index.ts'
import type { Clock } from '../kernel/clock.ts'

export const tokenAlgorithm = 'ES256'
const rotateAfterMs = 30 * 24 * 3_600_000
/** A retired key still verifies for this long: longer than any token lives. */
const overlapMs = 24 * 3_600_000

type Key = Awaited<ReturnType<typeof importJWK>>

/** The keys that sign registry tokens: kept in the database, so that every process and restart has them. */
export class TokenKeys {
  readonly #database: Database
  readonly #clock: Clock
  readonly #public = new Map<string, Key>()
  #signing: { id: string; key: Key; createdAt: number } | undefined

  constructor(database: Database, clock: Clock) {
    this.#database = database
    this.#clock = clock
  }

  /** The key to sign with now; a new one is made when the last is old. */
  async signingKey(): Promise<{ id: string; key: Key }> {
    const now = this.#clock.now()
    if (this.#signing && this.#signing.createdAt + rotateAfterMs > now) return this.#signing
    const row = await this.#database
      .selectFrom('token_key')
      .selectAll()
      .where('retired_at', 'is', null)
      .orderBy('created_at', 'desc')
      .executeTakeFirst()
    if (!row || row.created_at + rotateAfterMs <= now) return this.rotate()
    const key = await importJWK(JSON.parse(row.private_jwk) as JWK, tokenAlgorithm)
    this.#signing = { id: row.id, key, createdAt: row.created_at }
    return this.#signing
  }

  /** Retires the keys there are and makes a new one. Tokens already given out stay good until they expire. */
  async rotate(): Promise<{ id: string; key: Key }> {
    const { privateKey, publicKey } = await generateKeyPair(tokenAlgorithm, { extractable: true })
    const id = randomUUID()
    const now = this.#clock.now()
    const row = {
      id,
      private_jwk: JSON.stringify(await exportJWK(privateKey)),
      public_jwk: JSON.stringify({
        ...(await exportJWK(publicKey)),
        kid: id,
        alg: tokenAlgorithm,
        use: 'sig',
      }),
      created_at: now,
      retired_at: null,
    }
    await this.#database.transaction().execute(async (transaction) => {
      await transaction
        .deleteFrom('token_key')
        .where('retired_at', '<', now - overlapMs)
        .execute()
      await transaction
        .updateTable('token_key')
        .set({ retired_at: now })
        .where('retired_at', 'is', null)
        .execute()
      await transaction.insertInto('token_key').values(row).execute()
    })
    this.#public.clear()
    this.#signing = { id, key: privateKey, createdAt: now }
    return this.#signing
  }

  /** The public key of an id that we gave out, and of no other: what a token carries is never believed. */
  async publicKey(id: string | undefined): Promise<Key | undefined> {
    if (id === undefined) return undefined
    const known = this.#public.get(id)
    if (known) return known
    const row = await this.#database
      .selectFrom('token_key')
      .select(['public_jwk', 'retired_at'])
      .where('id', '=', id)
      .executeTakeFirst()
    if (!row || (row.retired_at !== null && row.retired_at + overlapMs < this.#clock.now())) return undefined
    const key = await importJWK(JSON.parse(row.public_jwk) as JWK, tokenAlgorithm)
    this.#public.set(id, key)
    return key
  }

  /** The public keys as a JWK Set (RFC 7517, section 5). */
  async jwks(): Promise<{ keys: unknown[] }> {
    await this.signingKey()
    const rows = await this.#database
      .selectFrom('token_key')
      .select('public_jwk')
      .orderBy('created_at')
      .execute()
    return { keys: rows.map((row) => JSON.parse(row.public_jwk) as unknown) }
  }
}
