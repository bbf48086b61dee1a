import type { Rules } from '../policy-document.ts'
import type { Evidence, RuleOutcome } from '../types.ts'
import { approvedBase } from './approved-base.ts'
import { databaseAge } from './database-age.ts'
import { findings } from './findings.ts'
import { knownExploited } from './known-exploited.ts'
import { scanned } from './scanned.ts'
import { signedBy } from './signed-by.ts'
import { unknownFiles } from './unknown-files.ts'

/** A rule: undefined when the policy does not ask for it. Pure, so that the same evidence always says the same. */
export type Rule = (rules: Rules, evidence: Evidence) => RuleOutcome | undefined

const all: readonly Rule[] = [
  scanned,
  unknownFiles,
  findings,
  knownExploited,
  databaseAge,
  signedBy,
  approvedBase,
]

/** What every rule that the policy asks for says of the evidence. */
export function evaluateRules(rules: Rules, evidence: Evidence): RuleOutcome[] {
  return all.map((rule) => rule(rules, evidence)).filter((outcome) => outcome !== undefined)
}
