import type { DatabaseTransaction } from '../database/index.ts'
import { systemCaller } from '../identity/index.ts'
import { enqueueJob, type RunningJob } from '../jobs/index.ts'
import { digestOf, isDigest, type Digest } from '../kernel/digest.ts'
import { Failure } from '../kernel/failure.ts'
import { mediaTypes } from '../kernel/media-types.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import { findManifestAnywhere, pushManifest, storeBlobBytes, type RegistryParts } from '../registry/index.ts'
import { matchInventory } from './matching/match-inventory.ts'
import { makeSbom } from './sbom/make-sbom.ts'
import { scanImage, type ScanParts } from './scan-image.ts'
import { findScan, saveReport, saveScan } from './store.ts'
import type { Inventory } from './types.ts'
import type { VulnerabilityDatabases } from './vulndb/open-vulnerability-database.ts'

const rematchBatch = 100

export interface ScanJobParts extends ScanParts {
  readonly registry: RegistryParts
  readonly vulnerabilities: VulnerabilityDatabases
  /** Has an image judged, in the transaction of what was found. */
  requestJudgement(transaction: DatabaseTransaction, digest: string, now: number): Promise<void>
}

/**
 * Job: reads an image, matches what it holds, and attaches the SBOM. Every step can be done again: rows are
 * replaced by the same, and the SBOM of the same image has the same bytes.
 */
export async function scanJob(parts: ScanJobParts, job: RunningJob): Promise<void> {
  const digest = job.dedupeKey
  if (!isDigest(digest)) throw new Error(`not a digest: ${digest}`)
  const manifest = await findManifestAnywhere(parts.database, digest)
  if (!manifest || manifest.kind !== 'image') return
  let inventory: Inventory
  try {
    inventory = await scanImage(parts, digest, job.signal)
  } catch (error) {
    const isFinal = error instanceof Failure && error.code === 'SCAN_FAILED'
    if (isFinal || job.isLastAttempt) await storeResult(parts, digest, { error: (error as Error).message })
    if (isFinal) return
    throw error
  }
  await storeResult(parts, digest, { inventory })
  await attachSbom(parts, digest, manifest.content.length, manifest.mediaType, inventory)
}

async function storeResult(
  parts: ScanJobParts,
  digest: Digest,
  result: { readonly inventory: Inventory } | { readonly error: string },
): Promise<void> {
  const now = parts.registry.clock.now()
  const database = parts.vulnerabilities.current()
  const report = 'inventory' in result && database ? matchInventory(result.inventory, database) : undefined
  await parts.database.transaction().execute(async (transaction) => {
    await saveScan(transaction, digest, result, now)
    if (report) await saveReport(transaction, digest, report, now)
    await parts.requestJudgement(transaction, digest, now)
  })
  parts.registry.events.committed()
}

/** Pushes the SBOM beside the image, in every repository that holds it, as any client would. */
async function attachSbom(
  parts: ScanJobParts,
  digest: Digest,
  size: number,
  mediaType: string,
  inventory: Inventory,
): Promise<void> {
  const sbom = await makeSbom(digest, inventory)
  const empty = Buffer.from('{}')
  const document = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    artifactType: mediaTypes.cycloneDx,
    config: { mediaType: mediaTypes.ociEmpty, digest: digestOf(empty), size: empty.length },
    layers: [{ mediaType: mediaTypes.cycloneDx, digest: digestOf(sbom), size: sbom.length }],
    subject: { mediaType, digest, size },
    annotations: { 'org.opencontainers.image.title': 'sbom.cdx.json' },
  }
  const content = Buffer.from(JSON.stringify(document))
  const repositories = await parts.database
    .selectFrom('repository_manifest')
    .innerJoin('repository', 'repository.id', 'repository_manifest.repository_id')
    .select(['repository.id', 'repository.name'])
    .where('digest', '=', digest)
    .execute()
  for (const repository of repositories) {
    await storeBlobBytes(parts.registry, repository.id, empty)
    await storeBlobBytes(parts.registry, repository.id, sbom)
    await pushManifest(parts.registry, {
      repository: repository.name as RepositoryName,
      reference: { kind: 'digest', digest: digestOf(content) },
      tags: [],
      contentType: mediaTypes.ociManifest,
      content,
      caller: systemCaller('scanner'),
    })
  }
}

/** Has every stored inventory matched again: the vulnerability database was replaced. */
export async function requestRematch(transaction: DatabaseTransaction, now: number): Promise<void> {
  await enqueueJob(transaction, { kind: 'rematch', dedupeKey: 'all', payload: { after: '' }, now })
}

/** Job: matches stored inventories again, a batch a job; no layer is read. */
export async function rematchJob(parts: ScanJobParts, job: RunningJob): Promise<void> {
  const { after } = job.payload as { after: string }
  const database = parts.vulnerabilities.current()
  if (!database) return
  const rows = await parts.database
    .selectFrom('scan')
    .select('digest')
    .where('state', '=', 'done')
    .where('digest', '>', after)
    .orderBy('digest')
    .limit(rematchBatch)
    .execute()
  for (const { digest } of rows) {
    const inventory = (await findScan(parts.database, digest))?.inventory
    if (!inventory) continue
    const report = matchInventory(inventory, database)
    const now = parts.registry.clock.now()
    await parts.database.transaction().execute(async (transaction) => {
      await saveReport(transaction, digest, report, now)
      await parts.requestJudgement(transaction, digest, now)
    })
  }
  parts.registry.events.committed()
  const last = rows.at(-1)?.digest
  if (rows.length < rematchBatch || last === undefined) return
  const now = parts.registry.clock.now()
  await enqueueJob(parts.database, {
    kind: 'rematch',
    dedupeKey: `after ${last}`,
    payload: { after: last },
    now,
  })
}
