import type * as Library from '@cyclonedx/cyclonedx-library'
import { loadCycloneDx, makeBom, serialiseBom, type Finding } from '../../../scanning/offline.ts'
import { escapeUnseen } from '../clean-line.ts'
import { joinInventories, type JoinedInventory } from '../join-inventories.ts'
import { advisoryUrl, tellFix } from '../tell-findings.ts'
import type { ReportFormat } from '../types.ts'

type CycloneDx = typeof Library
type Entry = JoinedInventory['findings'][number]

/** CycloneDX 1.6: the packages, what is known against them, and what was decided about that (VEX analysis). */
export const cycloneDxReport: ReportFormat = {
  name: 'cyclonedx',
  mediaType: 'application/vnd.cyclonedx+json',
  async write(result) {
    const library = await loadCycloneDx()
    const { inventory, findings } = joinInventories(result)
    const { name, digest } = result.target
    const subject = { name, ...(digest === undefined ? {} : { digest }) }
    const { bom, components } = makeBom(library, subject, inventory)
    const time = new Date(result.finishedAt)
    if (!Number.isNaN(time.getTime())) bom.metadata.timestamp = time
    for (const [index, entries] of groupEntries(findings).entries()) {
      const refs = entries.flatMap(({ found }) => components.get(found)?.bomRef ?? [])
      bom.vulnerabilities.add(makeVulnerability(library, entries, refs, `vulnerability-${index + 1}`))
    }
    return escapeUnseen(serialiseBom(library, bom).toString())
  },
}

/** One entry a vulnerability, and a further one where some of its packages are under an exception. */
function groupEntries(findings: readonly Entry[]): readonly (readonly Entry[])[] {
  const groups = new Map<string, Entry[]>()
  for (const entry of findings) {
    const key = JSON.stringify([entry.finding.id, entry.finding.exception?.id ?? null])
    const group = groups.get(key)
    if (group) group.push(entry)
    else groups.set(key, [entry])
  }
  return [...groups.values()]
}

function makeVulnerability(
  library: CycloneDx,
  entries: readonly Entry[],
  refs: readonly Library.Models.BomRef[],
  bomRef: string,
): Library.Models.Vulnerability.Vulnerability {
  const { Vulnerability } = library.Models
  const { finding } = entries[0] as Entry
  const { exception } = finding
  return new Vulnerability.Vulnerability({
    // The library's own would be another one each time.
    bomRef,
    id: finding.id,
    source: new Vulnerability.Source({ name: finding.source, url: advisoryUrl(finding.id) }),
    description: finding.summary,
    recommendation: tellFix(finding),
    ratings: new Vulnerability.RatingRepository([makeRating(library, finding)]),
    advisories: new Vulnerability.AdvisoryRepository([new Vulnerability.Advisory(advisoryUrl(finding.id))]),
    affects: new Vulnerability.AffectRepository(refs.map((ref) => new Vulnerability.Affect(ref))),
    properties: propertiesOf(library, finding),
    ...(exception ? { analysis: makeAnalysis(library, exception) } : {}),
  })
}

function makeRating(
  { Models, Enums }: CycloneDx,
  { severity, score }: Finding,
): Library.Models.Vulnerability.Rating {
  const words = Enums.Vulnerability.Severity
  const known = { critical: words.Critical, high: words.High, medium: words.Medium, low: words.Low }
  return new Models.Vulnerability.Rating({
    severity:
      severity === 'negligible' ? words.Info : severity === 'unknown' ? words.Unknown : known[severity],
    ...(score === undefined ? {} : { score }),
    method: Enums.Vulnerability.RatingMethod.Other,
  })
}

function propertiesOf({ Models }: CycloneDx, finding: Finding): Library.Models.PropertyRepository {
  const { epss, exploitedSince, fixState } = finding
  const properties = [
    ['pratique:fixState', fixState],
    ...(exploitedSince === undefined ? [] : [['pratique:exploitedSince', exploitedSince]]),
    ...(epss === undefined ? [] : [['pratique:epss', String(epss.probability)]]),
  ] as [string, string][]
  return new Models.PropertyRepository(properties.map(([name, value]) => new Models.Property(name, value)))
}

/** The words of OpenVEX in those of CycloneDX ("analysis.state" and "analysis.justification"). */
function makeAnalysis(
  { Models, Enums }: CycloneDx,
  { status, justification, reason }: NonNullable<Finding['exception']>,
): Library.Models.Vulnerability.Analysis {
  const { AnalysisState: State, AnalysisJustification: Why } = Enums.Vulnerability
  const states = {
    not_affected: State.NotAffected,
    fixed: State.Resolved,
    // A risk that somebody took.
    affected: State.Exploitable,
    under_investigation: State.InTriage,
  }
  const reasons: ReadonlyMap<string, Library.Enums.Vulnerability.AnalysisJustification> = new Map([
    ['component_not_present', Why.CodeNotPresent],
    ['vulnerable_code_not_present', Why.CodeNotPresent],
    ['vulnerable_code_not_in_execute_path', Why.CodeNotReachable],
    ['vulnerable_code_cannot_be_controlled_by_adversary', Why.RequiresEnvironment],
    ['inline_mitigations_already_exist', Why.ProtectedByMitigatingControl],
  ])
  const why = reasons.get(justification ?? '')
  return new Models.Vulnerability.Analysis({
    state: states[status],
    ...(why === undefined ? {} : { justification: why }),
    detail: reason,
  })
}
