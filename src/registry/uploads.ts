import { createHash, randomUUID, type Hash } from 'node:crypto'
import { algorithmOf, finishDigest, type Digest, type DigestAlgorithm } from '../kernel/digest.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import type { Caller } from '../identity/index.ts'
import { ensureRepository } from './ensure-repository.ts'
import { RegistryFailure } from './failures.ts'
import type { RegistryParts } from './parts.ts'
import { storeStagedBlob } from './store-blob.ts'
import { findRepository } from './store.ts'

/** Running hashes kept in memory; beyond that the oldest is dropped and computed again at the end. */
const maximumRunningHashes = 256

/** An upload that the caller may go on with. */
export interface Upload {
  readonly id: string
  readonly repositoryId: string
  /** Bytes received so far, the offset of the next chunk. */
  readonly offset: number
}

interface RunningHash {
  readonly algorithm: DigestAlgorithm
  readonly hash: Hash
  bytes: number
}

/**
 * Uploads of blobs (distribution-spec, "Pushing a blob in chunks"). An upload is a row, which binds it to a
 * repository and a principal, and a file, whose length is the offset; both survive a restart.
 */
export class Uploads {
  readonly #parts: RegistryParts
  readonly #hashes = new Map<string, RunningHash>()
  readonly #busy = new Set<string>()

  constructor(parts: RegistryParts) {
    this.#parts = parts
  }

  /** Opens an upload; makes the repository if this is its first push. */
  async begin(name: RepositoryName, caller: Caller, algorithm: DigestAlgorithm): Promise<Upload> {
    const { database, blobs, clock, limits } = this.#parts
    const id = randomUUID()
    await blobs.begin(id)
    try {
      const repositoryId = await database.transaction().execute(async (transaction) => {
        const repository = await ensureRepository(this.#parts, transaction, name, caller)
        const { count } = await transaction
          .selectFrom('upload')
          .select((expression) => expression.fn.countAll<number>().as('count'))
          .where('principal', '=', caller.principal.subject)
          .executeTakeFirstOrThrow()
        if (Number(count) >= limits.uploadsPerPrincipal) throw tooManyUploads(limits.uploadsPerPrincipal)
        const now = clock.now()
        const row = { id, repository_id: repository.id, principal: caller.principal.subject }
        await transaction
          .insertInto('upload')
          .values({ ...row, created_at: now, expires_at: now + limits.uploadExpiryMs })
          .execute()
        return repository.id
      })
      this.#remember(id, { algorithm, hash: createHash(algorithm), bytes: 0 })
      return { id, repositoryId, offset: 0 }
    } catch (error) {
      await blobs.discard(id)
      throw error
    }
  }

  /** The upload, if it is this principal's, in this repository. Throws BLOB_UPLOAD_UNKNOWN otherwise. */
  async get(name: RepositoryName, id: string, caller: Caller): Promise<Upload> {
    const { database, blobs, clock } = this.#parts
    const repository = await findRepository(database, name)
    const row =
      repository &&
      (await database
        .selectFrom('upload')
        .select('id')
        .where('id', '=', id)
        .where('repository_id', '=', repository.id)
        .where('principal', '=', caller.principal.subject)
        .where('expires_at', '>', clock.now())
        .executeTakeFirst())
    const offset = row && (await blobs.stagedBytes(id))
    if (!repository || offset === undefined) {
      throw new RegistryFailure('BLOB_UPLOAD_UNKNOWN', `there is no upload ${id.slice(0, 64)} in ${name}`)
    }
    return { id, repositoryId: repository.id, offset }
  }

  /** Adds bytes at the end. Gives the new offset. */
  async append(upload: Upload, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    return this.#alone(upload.id, async () => {
      const running = this.#hashAt(upload.id, upload.offset)
      return this.#parts.blobs.append(upload.id, running ? hashed(running, chunks) : chunks)
    })
  }

  /** Ends an upload: the bytes have the digest, or DIGEST_INVALID and the upload stays as it is. */
  async finish(upload: Upload, digest: Digest): Promise<void> {
    await this.#alone(upload.id, async () => {
      const actual = await this.#digestOf(upload, algorithmOf(digest))
      if (actual !== digest) {
        throw new RegistryFailure('DIGEST_INVALID', `the content has digest ${actual}, not ${digest}`)
      }
      await storeStagedBlob(this.#parts, upload, digest)
      this.#hashes.delete(upload.id)
    })
  }

  /** Gives an upload up and frees its bytes. */
  async cancel(upload: Upload): Promise<void> {
    await this.#alone(upload.id, async () => {
      await this.#parts.database.deleteFrom('upload').where('id', '=', upload.id).execute()
      await this.#parts.blobs.discard(upload.id)
      this.#hashes.delete(upload.id)
    })
  }

  async #digestOf(upload: Upload, algorithm: DigestAlgorithm): Promise<Digest> {
    const running = this.#hashAt(upload.id, await this.#parts.blobs.stagedBytes(upload.id))
    if (running?.algorithm === algorithm) return finishDigest(algorithm, running.hash.copy())
    const hash = createHash(algorithm)
    for await (const chunk of this.#parts.blobs.read(upload.id)) hash.update(chunk as Uint8Array)
    return finishDigest(algorithm, hash)
  }

  /** The running hash, if it covers exactly the bytes that are in the file. */
  #hashAt(id: string, bytes: number | undefined): RunningHash | undefined {
    const running = this.#hashes.get(id)
    if (running && running.bytes !== bytes) this.#hashes.delete(id)
    return this.#hashes.get(id)
  }

  #remember(id: string, running: RunningHash): void {
    this.#hashes.set(id, running)
    if (this.#hashes.size > maximumRunningHashes) {
      this.#hashes.delete(this.#hashes.keys().next().value as string)
    }
  }

  async #alone<Result>(id: string, act: () => Promise<Result>): Promise<Result> {
    if (this.#busy.has(id)) {
      throw new RegistryFailure('BLOB_UPLOAD_INVALID', 'another request is writing to this upload')
    }
    this.#busy.add(id)
    try {
      return await act()
    } finally {
      this.#busy.delete(id)
    }
  }
}

async function* hashed(running: RunningHash, chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) {
    running.hash.update(chunk)
    running.bytes += chunk.length
    yield chunk
  }
}

function tooManyUploads(limit: number): RegistryFailure {
  return new RegistryFailure(
    'TOOMANYREQUESTS',
    `you have ${limit} unfinished uploads, which is the limit; finish or cancel some, or wait until they expire`,
  )
}
