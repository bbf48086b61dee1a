import {
  findEffectiveReport,
  findJudgedReport,
  findVerdict,
  platformImages,
  type EvidenceParts,
  type NamedImage,
  type Verdict,
} from '../policy/index.ts'
import { joinResults, unscannable } from './decide.ts'
import { adviseFixes } from './reports/advise-fixes.ts'
import type { GateResult, GateVerdict } from './types.ts'

/** What is known of an image that the registry holds, in the form in which the gate answers. */
export async function judgeStored(
  parts: EvidenceParts,
  named: NamedImage,
  name: string,
): Promise<GateResult> {
  const images = await platformImages(parts.database, named)
  const results: GateResult[] = []
  for (const image of images) results.push(await describe(parts, named, name, image))
  return joinResults({ name, kind: 'image', digest: named.manifest.digest }, results)
}

async function describe(
  parts: EvidenceParts,
  { repository }: NamedImage,
  name: string,
  image: { readonly digest: string; readonly platform?: string },
): Promise<GateResult> {
  const { database, clock } = parts
  const { scan, report, base } = await findJudgedReport(parts, repository, image.digest, clock.now())
  const verdict = await findVerdict(database, repository.id, image.digest)
  const scannedAt = new Date(scan?.scannedAt ?? 0).toISOString()
  const newer = base.newerDigest && (await findEffectiveReport(database, base.newerDigest)).report
  const advised = report
    ? adviseFixes(
        report.findings,
        newer && base.newer !== undefined
          ? { name: base.name ?? '', version: base.newer, findings: newer.findings }
          : undefined,
      )
    : []
  return {
    target: { name, kind: 'image', ...image },
    startedAt: scannedAt,
    finishedAt: scannedAt,
    ...(scan?.inventory ? { inventory: scan.inventory } : {}),
    ...(report ? { report } : {}),
    verdict: scan?.state === 'failed' ? unscannable(scan.error ?? 'unknown reason') : verdictOf(verdict),
    advice: advised,
  }
}

function verdictOf(verdict: Verdict | undefined): GateVerdict {
  const reasons = verdict?.reasons ?? []
  switch (verdict?.state) {
    case 'cleared':
      return { state: 'cleared', exitCode: 0, reasons }
    case 'recalled':
    case 'quarantined':
      return { state: 'failed', exitCode: 1, reasons }
    default:
      return { state: 'undetermined', exitCode: 3, reasons }
  }
}
