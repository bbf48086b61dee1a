import type { Digest } from '../kernel/digest.ts'
import type { Claim, VerifyParts } from '../signing/index.ts'
import { findJudgedReport } from './effective-report.ts'
import { gatherSignatures } from './gather-signatures.ts'
import type { EffectivePolicy } from './levels/types.ts'
import type { Evidence } from './types.ts'

export type EvidenceParts = VerifyParts

/**
 * All that is known of an image in a repository, as its rules want it. The name says whose exceptions hold and
 * whose policy asks: the repository's own, or that of the one that the image is to be promoted into.
 */
export async function gatherEvidence(
  parts: EvidenceParts,
  repository: { readonly id: string; readonly name: string },
  digest: Digest,
  policy: EffectivePolicy,
  /** What will have been said of the image when it is where it is going. */
  promised: readonly Claim[] = [],
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
    signatures: await gatherSignatures(parts, repository, digest, policy, promised),
    base,
  }
}
