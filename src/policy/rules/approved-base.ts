import type { Rule } from './index.ts'

export const approvedBase: Rule = (rules, { base, scan }) => {
  if (!rules.approvedBase) return undefined
  const wanted = 'built on an approved base image'
  if (scan.state !== 'done') {
    return {
      rule: 'approvedBase',
      outcome: 'undetermined',
      message: `${wanted}: its layers have not been read yet`,
    }
  }
  const shown = base.name === undefined ? 'unknown base' : `${base.name} ${base.version}`
  const evidence = { base: shown, status: base.status }
  if (base.status === 'approved')
    return { rule: 'approvedBase', outcome: 'pass', message: `${wanted}: ${shown}`, evidence }
  const message =
    base.status === 'withdrawn'
      ? `${wanted}: the approval of ${shown} was withdrawn; rebuild on a newer version`
      : `${wanted}: unknown base; rebuild on one that pratique base list shows`
  return { rule: 'approvedBase', outcome: 'fail', message, evidence }
}
