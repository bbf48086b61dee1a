import type { Evidence } from '../types.ts'
import { judgeClause } from './judge-clause.ts'
import { isHeldByLastAnswer } from './rule.ts'
import type { SignaturePolicy } from './types.ts'

/**
 * The tags under which an image can be pulled: those for which every clause holds when only signatures that name the
 * tag count. Undefined: all, because nothing binds signatures to tags. While evidence cannot be read and the last
 * good answer still holds, it is the answer of then.
 */
export function allowedTags(
  policy: SignaturePolicy | undefined,
  { signatures, now }: Pick<Evidence, 'signatures' | 'now'>,
  before?: readonly string[],
): readonly string[] | undefined {
  if (policy?.bindReference !== 'tag' || policy.mode !== 'enforce' || policy.clauses.length === 0)
    return undefined
  const isOld = isHeldByLastAnswer(policy, signatures, now)
  return signatures.tags.filter(
    (tag) =>
      policy.clauses.every(
        (clause) => judgeClause({ policy, clause, evidence: signatures, now, tag }).isMet,
      ) ||
      (isOld && before?.includes(tag)),
  )
}
