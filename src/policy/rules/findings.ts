import {
  countedFindings,
  exceptedFindings,
  exceptionEvidence,
  isAtLeast,
  showExcepted,
  showFindings,
} from './counted.ts'
import type { Finding } from '../../scanning/offline.ts'
import type { Rule } from './index.ts'

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
  const counted = countedFindings(report)
  const isAsked = (finding: Finding): boolean =>
    isAtLeast(finding, asked.atLeast) && (!asked.onlyFixed || finding.fixedVersion !== undefined)
  const bad = counted.filter(isAsked)
  const excepted = exceptedFindings(report).filter(isAsked)
  if (bad.length > 0) {
    return {
      rule: 'findings',
      outcome: 'fail',
      message: `${wanted}: ${bad.length} found, ${showFindings(bad)}. Update these packages and push again${showExcepted(excepted)}`,
      evidence: {
        count: bad.length,
        databaseVersion: report.databaseVersion,
        ids: bad.slice(0, 50).map(({ id }) => id),
        ...exceptionEvidence(excepted),
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
    message: `${wanted}: none in ${counted.length} findings${showExcepted(excepted)}`,
    ...(excepted.length === 0 ? {} : { evidence: exceptionEvidence(excepted) }),
  }
}
