import { severities, type Finding, type FindingReport } from '../../scanning/index.ts'

const shownFindings = 5

/** The findings that count against an image: what a later layer removed does not run. */
export function countedFindings(report: FindingReport): Finding[] {
  return report.findings.filter(({ removedBy }) => removedBy === undefined)
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
