import type { Rule } from './index.ts'

const dayMs = 24 * 3_600_000

export const databaseAge: Rule = (rules, { report, now }) => {
  const asked = rules.databaseAge
  if (!asked) return undefined
  const wanted = `the vulnerability database is at most ${asked.maxDays} days old`
  if (!report) {
    return { rule: 'databaseAge', outcome: 'undetermined', message: `${wanted}: not matched against one yet` }
  }
  const days = (now - report.databaseBuiltAt) / dayMs
  const evidence = { databaseVersion: report.databaseVersion, days: Math.round(days * 10) / 10 }
  if (days <= asked.maxDays) {
    return { rule: 'databaseAge', outcome: 'pass', message: `${wanted}: ${days.toFixed(1)} days`, evidence }
  }
  return {
    rule: 'databaseAge',
    outcome: 'fail',
    message: `${wanted}: ${days.toFixed(1)} days; update it (pratique vulndb update) and the image is judged again`,
    evidence,
  }
}
