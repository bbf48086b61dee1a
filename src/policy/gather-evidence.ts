import { findBaseOf } from '../baseimages/index.ts'
import type { Database } from '../database/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { Clock } from '../kernel/clock.ts'
import type { BlobStore } from '../registry/index.ts'
import { findReport, findScan } from '../scanning/index.ts'
import { verifySignatures, type SignatureReport } from '../signing/index.ts'
import { parentsOf } from './store.ts'
import type { Evidence } from './types.ts'

export interface EvidenceParts {
  readonly database: Database
  readonly blobs: BlobStore
  readonly clock: Clock
}

/** All that is known of an image in a repository, as its rules want it. */
export async function gatherEvidence(
  parts: EvidenceParts,
  repositoryId: string,
  digest: Digest,
): Promise<Evidence> {
  const { database, clock } = parts
  const scan = await findScan(database, digest)
  const diffIds = scan?.inventory?.layers.map((layer) => layer.diffId) ?? []
  return {
    now: clock.now(),
    scan: {
      state: scan?.state ?? 'missing',
      packages: scan?.inventory?.packages.length ?? 0,
      unknowns: scan?.inventory?.unknowns ?? [],
      ...(scan?.error === undefined ? {} : { error: scan.error }),
    },
    report: await findReport(database, digest),
    signatures: await signaturesOf(parts, repositoryId, digest),
    base: await findBaseOf(database, diffIds),
  }
}

/** Signatures of the image itself, and of the indexes in the same repository that list it. */
async function signaturesOf(
  parts: EvidenceParts,
  repositoryId: string,
  digest: Digest,
): Promise<SignatureReport> {
  const own = await verifySignatures(parts, { repositoryId, digest })
  if (own.status === 'verified') return own
  for (const parent of await parentsOf(parts.database, repositoryId, digest)) {
    const report = await verifySignatures(parts, { repositoryId, digest: parent })
    if (report.status === 'verified') return report
  }
  return own
}
