import { setImmediate as yieldTurn } from 'node:timers/promises'
import type { Database, DatabaseTransaction } from '../../database/index.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { BlobStore, UploadStore } from '../types.ts'

/** Rows that one transaction takes on, so that pushes never wait long for their turn. */
const batchSize = 200

export interface GarbageCollectionParts {
  readonly database: Database
  readonly blobs: BlobStore & UploadStore
  readonly clock: Clock
  /** Time between condemning a blob and deleting its bytes. */
  readonly graceMs: number
}

/** What a collection did, or would do. */
export interface GarbageReport {
  readonly dryRun: boolean
  readonly expiredUploads: number
  readonly unlinkedBlobs: number
  readonly deletedManifests: number
  readonly condemnedBlobs: number
  readonly deletedBlobs: number
  readonly freedBytes: number
  readonly orphanFiles: number
}

type Counts = { -readonly [Key in Exclude<keyof GarbageReport, 'dryRun'>]: number }

/**
 * Collects what nothing refers to, while pushes and pulls go on. A link goes when no manifest of its
 * repository refers to the blob and its lease is over; a blob without links is condemned, and deleted after
 * the grace if it still has none. What decides and what deletes a row is one transaction, so a push that
 * links the blob comes before or after it, never in between; the bytes go last, by their own location.
 */
export async function collectGarbage(parts: GarbageCollectionParts, dryRun: boolean): Promise<GarbageReport> {
  const counts: Counts = {
    expiredUploads: 0,
    unlinkedBlobs: 0,
    deletedManifests: 0,
    condemnedBlobs: 0,
    deletedBlobs: 0,
    freedBytes: 0,
    orphanFiles: 0,
  }
  await expireUploads(parts, counts, dryRun)
  await deleteManifests(parts, counts, dryRun)
  await unlinkBlobs(parts, counts, dryRun)
  await condemnBlobs(parts, counts, dryRun)
  await deleteBlobs(parts, counts, dryRun)
  await removeOrphans(parts, counts, dryRun)
  return { dryRun, ...counts }
}

async function expireUploads(
  { database, blobs, clock }: GarbageCollectionParts,
  counts: Counts,
  dryRun: boolean,
): Promise<void> {
  const rows = await database
    .selectFrom('upload')
    .select('id')
    .where('expires_at', '<=', clock.now())
    .execute()
  counts.expiredUploads = rows.length
  if (dryRun) return
  for (const { id } of rows) {
    await database.deleteFrom('upload').where('id', '=', id).execute()
    await blobs.discard(id)
  }
}

/** Manifests that are in no repository any more; their references go with them. */
async function deleteManifests(
  parts: GarbageCollectionParts,
  counts: Counts,
  dryRun: boolean,
): Promise<void> {
  await inBatches(parts, dryRun, async (transaction) => {
    const rows = await transaction
      .selectFrom('manifest')
      .select('digest')
      .where((expression) =>
        expression.not(
          expression.exists(
            expression
              .selectFrom('repository_manifest')
              .select('repository_manifest.digest')
              .whereRef('repository_manifest.digest', '=', 'manifest.digest'),
          ),
        ),
      )
      .limit(dryRun ? 1_000_000 : batchSize)
      .execute()
    const digests = rows.map((row) => row.digest)
    counts.deletedManifests += digests.length
    if (!dryRun && digests.length > 0) {
      await transaction.deleteFrom('scan').where('digest', 'in', digests).execute()
      await transaction.deleteFrom('finding_report').where('digest', 'in', digests).execute()
      await transaction.deleteFrom('image_package').where('digest', 'in', digests).execute()
      await transaction.deleteFrom('manifest').where('digest', 'in', digests).execute()
    }
    return digests.length
  })
}

async function unlinkBlobs(parts: GarbageCollectionParts, counts: Counts, dryRun: boolean): Promise<void> {
  await inBatches(parts, dryRun, async (transaction) => {
    const rows = await transaction
      .selectFrom('repository_blob')
      .select(['repository_id', 'digest'])
      .where('leased_until', '<=', parts.clock.now())
      .where((expression) =>
        expression.not(
          expression.exists(
            expression
              .selectFrom('manifest_reference')
              .innerJoin(
                'repository_manifest',
                'repository_manifest.digest',
                'manifest_reference.manifest_digest',
              )
              .select('manifest_reference.target_digest')
              .whereRef('manifest_reference.target_digest', '=', 'repository_blob.digest')
              .whereRef('repository_manifest.repository_id', '=', 'repository_blob.repository_id'),
          ),
        ),
      )
      .limit(dryRun ? 1_000_000 : batchSize)
      .execute()
    counts.unlinkedBlobs += rows.length
    if (dryRun) return rows.length
    for (const row of rows) {
      await transaction
        .deleteFrom('repository_blob')
        .where('repository_id', '=', row.repository_id)
        .where('digest', '=', row.digest)
        .execute()
    }
    return rows.length
  })
}

async function condemnBlobs(parts: GarbageCollectionParts, counts: Counts, dryRun: boolean): Promise<void> {
  await inBatches(parts, dryRun, async (transaction) => {
    const digests = await unlinkedBlobs(transaction, undefined, dryRun)
    counts.condemnedBlobs += digests.length
    if (!dryRun && digests.length > 0) {
      const now = parts.clock.now()
      const names = digests.map(({ digest }) => digest)
      await transaction.updateTable('blob').set({ condemned_at: now }).where('digest', 'in', names).execute()
    }
    return digests.length
  })
}

async function deleteBlobs(parts: GarbageCollectionParts, counts: Counts, dryRun: boolean): Promise<void> {
  const deadline = parts.clock.now() - parts.graceMs
  await inBatches(parts, dryRun, async (transaction) => {
    const doomed = await unlinkedBlobs(transaction, deadline, dryRun)
    counts.deletedBlobs += doomed.length
    counts.freedBytes += doomed.reduce((sum, { size }) => sum + size, 0)
    if (dryRun || doomed.length === 0) return doomed.length
    const names = doomed.map(({ digest }) => digest)
    await transaction.deleteFrom('blob').where('digest', 'in', names).execute()
    return { found: doomed.length, after: () => removeAll(parts.blobs, doomed) }
  })
}

async function removeAll(blobs: BlobStore, doomed: readonly { location: string }[]): Promise<void> {
  for (const { location } of doomed) await blobs.remove(location)
}

/** Blobs in no repository: those not condemned yet, or those condemned before the deadline. */
async function unlinkedBlobs(
  transaction: DatabaseTransaction,
  condemnedBefore: number | undefined,
  dryRun: boolean,
): Promise<{ digest: string; location: string; size: number }[]> {
  const query = transaction
    .selectFrom('blob')
    .select(['digest', 'location', 'size'])
    .where((expression) =>
      expression.not(
        expression.exists(
          expression
            .selectFrom('repository_blob')
            .select('repository_blob.digest')
            .whereRef('repository_blob.digest', '=', 'blob.digest'),
        ),
      ),
    )
    .limit(dryRun ? 1_000_000 : batchSize)
  return condemnedBefore === undefined
    ? query.where('condemned_at', 'is', null).execute()
    : query.where('condemned_at', '<=', condemnedBefore).execute()
}

/** Files that no row names: what a crash between renaming and committing left, once it is older than the grace. */
async function removeOrphans(parts: GarbageCollectionParts, counts: Counts, dryRun: boolean): Promise<void> {
  const { database, blobs, clock, graceMs } = parts
  const deadline = clock.now() - graceMs
  for await (const { location, modifiedAt } of blobs.list()) {
    if (modifiedAt > deadline) continue
    const row = await database
      .selectFrom('blob')
      .select('digest')
      .where('location', '=', location)
      .executeTakeFirst()
    if (row) continue
    counts.orphanFiles++
    if (!dryRun) await blobs.remove(location)
  }
  for await (const { id, modifiedAt } of blobs.listUploads()) {
    if (modifiedAt > deadline) continue
    const row = await database.selectFrom('upload').select('id').where('id', '=', id).executeTakeFirst()
    if (row) continue
    counts.orphanFiles++
    if (!dryRun) await blobs.discard(id)
  }
}

type Batch = number | { readonly found: number; after(): Promise<void> }

/** Runs small transactions until one finds less than a batch, and lets others have their turn in between. */
async function inBatches(
  { database }: GarbageCollectionParts,
  dryRun: boolean,
  run: (transaction: DatabaseTransaction) => Promise<Batch>,
): Promise<void> {
  for (;;) {
    const batch = await database.transaction().execute(run)
    const found = typeof batch === 'number' ? batch : batch.found
    if (typeof batch !== 'number') await batch.after()
    if (dryRun || found < batchSize) return
    await yieldTurn()
  }
}
