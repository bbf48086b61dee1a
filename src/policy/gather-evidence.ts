import type { Database } from '../database/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { Clock } from '../kernel/clock.ts'
import type { BlobStore } from '../registry/index.ts'
import { verifySignatures, type SignatureReport } from '../signing/index.ts'
import { findJudgedReport } from './effective-report.ts'
import { parentsOf } from './store.ts'
import type { Evidence } from './types.ts'

export interface EvidenceParts {
  readonly database: Database
  readonly blobs: BlobStore
  readonly clock: Clock
}

/**
 * All that is known of an image in a repository, as its rules want it. The name says whose exceptions hold: the
 * repository's own, or that of the one that the image is to be promoted into.
 */
export async function gatherEvidence(
  parts: EvidenceParts,
  repository: { readonly id: string; readonly name: string },
  digest: Digest,
): Promise<Evidence> {
  const now = parts.clock.now()
  const { scan, report, base } = await findJudgedReport(parts, repository, digest, now)
  return {
    now,
    scan: {
      state: scan?.state ?? 'missing',
      packages: scan?.inventory?.packages.length ?? 0,
      unknowns: scan?.inventory?.unknowns ?? [],
      ...(scan?.error === undefined ? {} : { error: scan.error }),
    },
    report,
    signatures: await signaturesOf(parts, repository.id, digest),
    base,
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
