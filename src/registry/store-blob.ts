import type { Digest } from '../kernel/digest.ts'
import { digestOf } from '../kernel/digest.ts'
import { randomUUID } from 'node:crypto'
import type { RegistryParts } from './parts.ts'
import { findBlob, linkBlob } from './store.ts'
import type { Location } from './types.ts'

interface Staged {
  readonly id: string
  readonly repositoryId: string
}

type StoreParts = Pick<RegistryParts, 'database' | 'blobs' | 'clock' | 'limits'>

/**
 * Turns staged bytes, whose digest was checked, into a blob of the repository. Bytes that we hold already
 * are compared, not written again; when the held ones turn out to be damaged or gone, the staged ones take
 * their place.
 */
export async function storeStagedBlob(parts: StoreParts, staged: Staged, digest: Digest): Promise<void> {
  const held = await findBlob(parts.database, digest)
  if (held && (await isIntact(parts, staged.id, held.location))) {
    if (await link(parts, staged, digest, { expected: held.location })) {
      await parts.blobs.discard(staged.id)
      return
    }
    // Garbage collection took it between the look and the link: our bytes are needed after all.
  }
  const size = await parts.blobs.stagedBytes(staged.id)
  const written = await parts.blobs.commit(staged.id, digest)
  await remember(parts, written)
  await link(parts, staged, digest, { written, size: size ?? 0, damaged: held?.location })
}

/** How long a location counts as checked while nothing shows that its bytes were touched. */
const intactForMs = 10 * 60_000
const maximumRemembered = 10_000

const intact = new Map<Location, { readonly stamp: string; readonly until: number }>()

/** The held bytes are those that were staged; not read again when they were checked a short while ago. */
async function isIntact(parts: StoreParts, stagedId: string, location: Location): Promise<boolean> {
  const known = intact.get(location)
  if (known && known.until > parts.clock.now() && known.stamp === (await parts.blobs.stampOf(location)))
    return true
  if (!(await parts.blobs.equals(stagedId, location))) return false
  await remember(parts, location)
  return true
}

async function remember(parts: StoreParts, location: Location): Promise<void> {
  const stamp = await parts.blobs.stampOf(location)
  if (stamp === undefined) return
  intact.set(location, { stamp, until: parts.clock.now() + intactForMs })
  if (intact.size > maximumRemembered) intact.delete(intact.keys().next().value as Location)
}

/** Stores bytes that are in memory as a blob of the repository. Gives their digest. */
export async function storeBlobBytes(
  parts: StoreParts,
  repositoryId: string,
  bytes: Uint8Array,
): Promise<Digest> {
  const digest = digestOf(bytes)
  const id = randomUUID()
  await parts.blobs.begin(id)
  await parts.blobs.append(id, oneChunk(bytes))
  await storeStagedBlob(parts, { id, repositoryId }, digest)
  return digest
}

type LinkTo =
  | { readonly expected: Location }
  | { readonly written: Location; readonly size: number; readonly damaged: Location | undefined }

/** In one transaction: the blob row, the repository's link with its lease, and the end of the upload. */
async function link(parts: StoreParts, staged: Staged, digest: Digest, to: LinkTo): Promise<boolean> {
  const { database, blobs, clock, limits } = parts
  let unused: Location | undefined
  const linked = await database.transaction().execute(async (transaction) => {
    const now = clock.now()
    const row = await findBlob(transaction, digest)
    if ('expected' in to) {
      if (row?.location !== to.expected) return false
    } else if (!row) {
      await transaction
        .insertInto('blob')
        .values({ digest, size: to.size, location: to.written, condemned_at: null, created_at: now })
        .execute()
    } else if (row.location === to.damaged) {
      await transaction
        .updateTable('blob')
        .set({ location: to.written, size: to.size })
        .where('digest', '=', digest)
        .execute()
      unused = to.damaged
    } else {
      // Somebody else finished the same content meanwhile; theirs is as good as ours.
      unused = to.written
    }
    await linkBlob(transaction, staged.repositoryId, digest, now + limits.blobLeaseMs)
    await transaction.deleteFrom('upload').where('id', '=', staged.id).execute()
    return true
  })
  if (unused !== undefined) await blobs.remove(unused)
  return linked
}

async function* oneChunk(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}
