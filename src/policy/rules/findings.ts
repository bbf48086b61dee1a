import { severities, type Finding } from '../../scanning/index.ts'
import type { Rule } from './index.ts'

const shownFindings = 5

export const findings: Rule = (rules, { report }) => {
  const asked = rules.findings
  if (!asked) return undefined
  const wanted = `no ${asked.atLeast} or worse finding${asked.onlyFixed ? ' with a fix' : ''}`
  if (!report) {
    return {
      rule: 'findings',
      outcome: 'undetermined',
      message: `${wanted}: not matched against a vulnerability database yet; import one (pratique vulndb import)`,
    }
  }
  const limit = severities.indexOf(asked.atLeast)
  const bad = report.findings.filter(
    (finding) =>
      severities.indexOf(finding.severity) <= limit &&
      (!asked.onlyFixed || finding.fixedVersion !== undefined),
  )
  if (bad.length > 0) {
    return {
      rule: 'findings',
      outcome: 'fail',
      message: `${wanted}: ${bad.length} found, ${bad.slice(0, shownFindings).map(show).join('; ')}${bad.length > shownFindings ? '; …' : ''}. Update these packages and push again`,
      evidence: {
        count: bad.length,
        databaseVersion: report.databaseVersion,
        ids: bad.slice(0, 50).map(({ id }) => id),
      },
    }
  }
  if (report.gaps.length > 0) {
    const gaps = report.gaps
      .map(({ ecosystem, packages }) => `${ecosystem} (${packages} packages)`)
      .join(', ')
    return {
      rule: 'findings',
      outcome: 'undetermined',
      message: `${wanted}: no advisory source covers ${gaps}; import one that does`,
      evidence: { gaps: report.gaps },
    }
  }
  return {
    rule: 'findings',
    outcome: 'pass',
    message: `${wanted}: none in ${report.findings.length} findings`,
  }
}

function show(finding: Finding): string {
  const fix = finding.fixedVersion === undefined ? 'no fix known' : `fixed in ${finding.fixedVersion}`
  return `${finding.id} in ${finding.packageName} ${finding.installedVersion} (${fix})`
}
