import type { Rule } from './index.ts'

/** No more than so many files that should have told of packages and could not be read. */
export const unknownFiles: Rule = (rules, { scan }) => {
  const asked = rules.unknownFiles
  if (!asked) return undefined
  const wanted = `at most ${asked.max} files that could not be read`
  if (scan.state !== 'done') {
    return { rule: 'unknownFiles', outcome: 'undetermined', message: `${wanted}: not scanned` }
  }
  const found = scan.unknowns.length
  if (found <= asked.max) return { rule: 'unknownFiles', outcome: 'pass', message: `${wanted}: ${found}` }
  const [first] = scan.unknowns
  return {
    rule: 'unknownFiles',
    outcome: 'undetermined',
    message: `${wanted}: ${found}, such as ${first?.path} (${first?.reason}); remove or mend them`,
    evidence: { paths: scan.unknowns.slice(0, 50).map(({ path }) => path) },
  }
}
