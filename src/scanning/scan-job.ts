import type { DatabaseTransaction } from '../database/index.ts'
import type { RunningJob } from '../jobs/index.ts'
import { isDigest, type Digest } from '../kernel/digest.ts'
import { Failure } from '../kernel/failure.ts'
import { findManifestAnywhere } from '../registry/index.ts'
import { attachSbom, type AttachParts } from './attach-sbom.ts'
import { matchInventory } from './matching/match-inventory.ts'
import { requestRematch } from './rematch-job.ts'
import { scanImage, type ScanParts } from './scan-image.ts'
import { saveReport, saveScan } from './store.ts'
import type { Inventory } from './types.ts'
import type { VulnerabilityDatabases } from './vulndb/open-vulnerability-database.ts'

export interface ScanJobParts extends ScanParts, AttachParts {
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
  const { mediaType, content } = manifest
  await attachSbom(parts, { mediaType, digest, size: content.length }, inventory)
}

async function storeResult(
  parts: ScanJobParts,
  digest: Digest,
  result: { readonly inventory: Inventory } | { readonly error: string },
): Promise<void> {
  const now = parts.registry.clock.now()
  await parts.database.transaction().execute(async (transaction) => {
    await saveScan(transaction, digest, result, now)
    // Matched inside the transaction: a rematch that runs meanwhile sees this image with its report, or not at
    // all, and never takes it for one that the newest database has nothing new about.
    const database = parts.vulnerabilities.current()
    const report = 'inventory' in result && database ? matchInventory(result.inventory, database) : undefined
    if (report) await saveReport(transaction, digest, report, now)
    await parts.requestJudgement(transaction, digest, now)
    const isOvertaken = parts.vulnerabilities.current()?.version !== database?.version
    if (isOvertaken) await requestRematch(transaction, now)
  })
  parts.registry.events.committed()
}
