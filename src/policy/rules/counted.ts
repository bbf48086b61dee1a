import { severities, type Finding, type FindingReport } from '../../scanning/offline.ts'

const shownFindings = 5

/**
 * The findings that count against an image: what a later layer removed does not run, and for some there is an
 * approved exception.
 */
export function countedFindings(report: FindingReport): Finding[] {
  return report.findings.filter(
    ({ removedBy, exception }) => removedBy === undefined && !exception?.isSuppressed,
  )
}

/** The findings that would count without their exception. */
export function exceptedFindings(report: FindingReport): Finding[] {
  return report.findings.filter(
    ({ removedBy, exception }) => removedBy === undefined && exception?.isSuppressed,
  )
}

/** ` (2 more by exception: …)`, or nothing: what is left out is never left out in silence. */
export function showExcepted(excepted: readonly Finding[]): string {
  if (excepted.length === 0) return ''
  const named = excepted
    .slice(0, shownFindings)
    .map(
      ({ id, packageName, exception }) => `${id} in ${packageName} ${exception?.status.replaceAll('_', ' ')}`,
    )
  return ` (${excepted.length} left out by exception: ${named.join('; ')}${excepted.length > shownFindings ? '; …' : ''})`
}

/** Exceptions as evidence of a rule. */
export function exceptionEvidence(excepted: readonly Finding[]): Readonly<Record<string, unknown>> {
  if (excepted.length === 0) return {}
  return {
    exceptions: excepted.slice(0, 50).map(({ id, purl, exception }) => ({
      finding: id,
      purl,
      exception: exception?.id,
      status: exception?.status,
      approvedBy: exception?.approvedBy,
      ...(exception?.until === undefined ? {} : { until: new Date(exception.until).toISOString() }),
    })),
  }
}

/** True for a finding of this severity or a worse one. */
export function isAtLeast({ severity }: Finding, least: Finding['severity']): boolean {
  return severities.indexOf(severity) <= severities.indexOf(least)
}

/** The first findings, as one line. */
export function showFindings(findings: readonly Finding[]): string {
  const rest = findings.length > shownFindings ? '; …' : ''
  return `${findings.slice(0, shownFindings).map(show).join('; ')}${rest}`
}

function show(finding: Finding): string {
  const fix = finding.fixedVersion === undefined ? 'no fix known' : `fixed in ${finding.fixedVersion}`
  return `${finding.id} in ${finding.packageName} ${finding.installedVersion} (${fix})`
}
