import { findBaseOf, type BaseMatch } from '../baseimages/index.ts'
import type { Database, DatabaseTransaction } from '../database/index.ts'
import { judgeFindings } from '../exceptions/index.ts'
import type { VerifyParts } from '../signing/index.ts'
import { findReport, findScan, type FindingReport, type Scan } from '../scanning/index.ts'

/** What was found in an image, with what is known beside the advisories. */
export interface EffectiveReport {
  readonly scan: Scan | undefined
  readonly report: FindingReport | undefined
  readonly base: BaseMatch
}

/** The last scan of an image and its findings, those of its base told apart from its own. */
export async function findEffectiveReport(
  database: Database | DatabaseTransaction,
  digest: string,
): Promise<EffectiveReport> {
  const scan = await findScan(database, digest)
  const base = await findBaseOf(database, scan?.inventory?.layers.map(({ diffId }) => diffId) ?? [])
  const report = await findReport(database, digest)
  return { scan, report: report && markBase(report, base), base }
}

/**
 * The same as it counts in a repository: each finding with the exception, or the trusted VEX statement, that
 * holds for it there now.
 */
export async function findJudgedReport(
  parts: VerifyParts,
  repository: { readonly id: string; readonly name: string },
  digest: string,
  now: number,
): Promise<EffectiveReport> {
  const effective = await findEffectiveReport(parts.database, digest)
  const { scan, report, base } = effective
  if (!report) return effective
  const image = {
    repositoryId: repository.id,
    repository: repository.name,
    digest,
    inventory: scan?.inventory,
    base,
  }
  const findings = await judgeFindings(parts, image, report.findings, now)
  return { ...effective, report: { ...report, findings } }
}

/** Marks the findings that the approved base brought: mending them means another base. */
export function markBase(report: FindingReport, { name, version, layers = 0 }: BaseMatch): FindingReport {
  if (name === undefined) return report
  return {
    ...report,
    findings: report.findings.map((finding) =>
      finding.layer < layers ? { ...finding, base: `${name}:${version}` } : finding,
    ),
  }
}
