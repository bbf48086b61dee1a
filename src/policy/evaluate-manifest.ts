import type { RuleException } from '../exceptions/index.ts'
import { authorityOf } from './levels/authority.ts'
import { meetSignatures } from './levels/effective-policy.ts'
import type { RuleSet } from './levels/types.ts'
import { evaluateIndexRules, evaluatePolicy } from './rules/index.ts'
import { settleClauses } from './signatures/meet-clauses.ts'
import { judgeSignatures } from './signatures/rule.ts'
import type { SignatureClause, SignaturePolicy } from './signatures/types.ts'
import type { Evidence, RuleOutcome } from './types.ts'

/** What the rules say, with the exceptions that two people approved. */
export interface Evaluated {
  readonly outcomes: readonly RuleOutcome[]
  /** What of the policy on signatures still has to hold. */
  readonly signatures?: SignaturePolicy
}

/**
 * Evaluates the rules of a policy on an image, or on an index by itself. What does not hold and is excepted is shown
 * with its exception and does not count; what holds needs none. Without exceptions it is what the rules say.
 */
export function evaluateManifest(
  policy: RuleSet,
  evidence: Evidence,
  kind: string,
  exceptions: readonly RuleException[],
): Evaluated {
  const excepted = exceptClauses(policy, evidence, exceptions)
  const rules = { levels: policy.levels, ...(excepted.signatures ? { signatures: excepted.signatures } : {}) }
  const outcomes = kind === 'index' ? evaluateIndexRules(rules, evidence) : evaluatePolicy(rules, evidence)
  return {
    outcomes: [...outcomes.map((outcome) => exceptOutcome(outcome, exceptions)), ...excepted.outcomes],
    ...(excepted.signatures ? { signatures: excepted.signatures } : {}),
  }
}

/**
 * Takes the clauses that are not met, and for which there is an exception, out of a policy. Out of all its clauses: one
 * of the organisation that is not said, because one of a project implies it, has to hold when that is excepted from.
 */
function exceptClauses(
  { levels, signatures }: RuleSet,
  evidence: Evidence,
  exceptions: readonly RuleException[],
): Evaluated {
  if (!signatures) return { outcomes: [] }
  const ours = exceptions.filter(({ rule }) => rule === 'signatures')
  const excepted = new Map<SignatureClause, RuleOutcome>()
  const clauses = (ours.length > 0 ? (meetSignatures(levels)?.clauses ?? []) : signatures.clauses).filter(
    (clause) => {
      const exception = ours.find((one) => coversClause(one, clause))
      const outcome = exception && judgeSignatures({ ...signatures, clauses: [clause] }, evidence)
      if (!outcome || outcome.outcome === 'pass') return true
      excepted.set(clause, { ...outcome, exception: shown(exception) })
      return false
    },
  )
  return {
    outcomes: settleClauses([...excepted.keys()]).flatMap((clause) => excepted.get(clause) ?? []),
    signatures: { ...signatures, clauses: settleClauses(clauses) },
  }
}

function coversClause({ clause, authority }: RuleException, { name, level }: SignatureClause): boolean {
  return (clause === undefined || clause === name) && coversLevel(authority, level)
}

function exceptOutcome(outcome: RuleOutcome, exceptions: readonly RuleException[]): RuleOutcome {
  if (outcome.outcome === 'pass' || outcome.rule === 'signatures') return outcome
  const exception = exceptions.find(
    ({ rule, authority }) => rule === outcome.rule && coversLevel(authority, outcome.level ?? 'organisation'),
  )
  return exception ? { ...outcome, exception: shown(exception) } : outcome
}

/** A project can except from what it asks itself, alone or with patterns of its own; never from what others ask too. */
function coversLevel(authority: string, level: string): boolean {
  return authority === 'organisation' || level.split(' + ').every((one) => authorityOf(one) === authority)
}

function shown({ id, reason, approvedBy, until }: RuleException): NonNullable<RuleOutcome['exception']> {
  return { id, reason, approvedBy, until: new Date(until).toISOString() }
}
