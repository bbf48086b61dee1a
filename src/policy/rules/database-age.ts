import type { FindingReport } from '../../scanning/offline.ts'
import type { Rule } from './index.ts'

const dayMs = 24 * 3_600_000

export const databaseAge: Rule = (rules, { report, now }) => {
  const asked = rules.databaseAge
  if (!asked) return undefined
  const wanted = `the vulnerability database is at most ${asked.maxDays} days old`
  if (!report) {
    return { rule: 'databaseAge', outcome: 'undetermined', message: `${wanted}: not matched against one yet` }
  }
  const days = (now - oldestOf(report)) / dayMs
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

/**
 * The age of what is known of the image: for each ecosystem the newest word of a source that speaks for it,
 * and of those the oldest. A feed that said just now that it has nothing new is as good as new.
 */
function oldestOf({ coverage, databaseBuiltAt }: FindingReport): number {
  const newest = [...Map.groupBy(coverage, ({ ecosystem }) => ecosystem).values()].map((entries) =>
    Math.max(...entries.map(({ builtAt = 0, checkedAt = 0 }) => Math.max(builtAt, checkedAt))),
  )
  // Some sources, such as files of Alpine's, carry no dates at all.
  const dates = newest.filter((date) => date > 0)
  return dates.length === 0 ? databaseBuiltAt : Math.min(...dates)
}
