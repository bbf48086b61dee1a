import { organisationFirst } from '../levels/authority.ts'
import { canonicalJson } from '../levels/canonical-json.ts'
import type { RuleSet } from '../levels/types.ts'
import type { Rules } from '../rules-schema.ts'
import { judgeSignatures } from '../signatures/rule.ts'
import type { Evidence, RuleOutcome } from '../types.ts'
import { approvedBase } from './approved-base.ts'
import { databaseAge } from './database-age.ts'
import { findings } from './findings.ts'
import { knownExploited } from './known-exploited.ts'
import { scanned } from './scanned.ts'
import { unknownFiles } from './unknown-files.ts'

/** A rule: undefined when the policy does not ask for it. Pure, so that the same evidence always says the same. */
export type Rule = (rules: Rules, evidence: Evidence) => RuleOutcome | undefined

/** By the name under which a policy asks for it. */
const all: Readonly<Record<Exclude<keyof Rules, 'signatures' | 'running'>, Rule>> = {
  scanned,
  unknownFiles,
  findings,
  knownExploited,
  databaseAge,
  approvedBase,
}

/**
 * What every rule of every level says of the evidence. Each level is asked by itself and all have to hold, so that
 * whatever a lower one says, it takes nothing away; what two levels ask alike is asked once, for the organisation's.
 */
export function evaluatePolicy({ levels, signatures }: RuleSet, evidence: Evidence): RuleOutcome[] {
  const outcomes = Object.entries(all).flatMap(([name, rule]) => {
    const asked = levels.filter(({ rules }) => rules[name as keyof Rules] !== undefined)
    const once = new Map(
      organisationFirst(asked)
        .toReversed()
        .map((level) => [canonicalJson(level.rules[name as keyof Rules]), level]),
    )
    return asked
      .filter((level) => [...once.values()].includes(level))
      .map(({ level, rules }) => withLevel(rule(rules, evidence), level))
  })
  return [...outcomes, judgeSignatures(signatures, evidence)].filter((outcome) => outcome !== undefined)
}

/** What the rules say of an index by itself: runtimes hold its own digest to the rule on signatures. */
export function evaluateIndexRules({ signatures }: RuleSet, evidence: Evidence): RuleOutcome[] {
  return [judgeSignatures(signatures, evidence)].filter((outcome) => outcome !== undefined)
}

function withLevel(outcome: RuleOutcome | undefined, level: string): RuleOutcome | undefined {
  return outcome && { ...outcome, level }
}
