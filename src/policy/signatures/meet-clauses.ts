import type { SignatureClause } from './types.ts'

/**
 * All clauses together. A clause asks at least as much as every clause of its name and claim that speaks of the same
 * signers and perhaps more: it takes over their threshold, as far as it has signers, and their conditions. So a lower
 * level tightens a clause without saying all of it again, and in whichever order levels come, the result is the same.
 */
export function meetClauses(clauses: readonly SignatureClause[]): SignatureClause[] {
  const raised = clauses.map((clause) => {
    const wider = clauses.filter((other) => isAbout(clause, other) && isSubset(clause.signers, other.signers))
    const inherited = Math.max(...wider.map(({ threshold }) => threshold))
    return {
      ...clause,
      threshold: Math.max(clause.threshold, Math.min(inherited, clause.signers.length)),
      conditions: [...new Set(wider.flatMap(({ conditions }) => conditions))],
    }
  })
  return raised.filter((clause, index) => raised.findIndex((other) => isSame(other, clause)) === index)
}

/** Without the clauses that hold whenever another of their name does. */
export function settleClauses(clauses: readonly SignatureClause[]): SignatureClause[] {
  return clauses.filter(
    (clause) =>
      !clauses.some((other) => other !== clause && implies(other, clause) && !isSame(other, clause)),
  )
}

/** Whether the first clause cannot hold without the second. */
export function implies(clause: SignatureClause, other: SignatureClause): boolean {
  return (
    isAbout(clause, other) &&
    isSubset(clause.signers, other.signers) &&
    clause.threshold >= other.threshold &&
    isSubset(other.conditions, clause.conditions)
  )
}

function isSame(left: SignatureClause, right: SignatureClause): boolean {
  return implies(left, right) && implies(right, left)
}

function isAbout(left: SignatureClause, right: SignatureClause): boolean {
  return left.name === right.name && left.claim === right.claim
}

function isSubset(part: readonly string[], whole: readonly string[]): boolean {
  return part.every((item) => whole.includes(item))
}
