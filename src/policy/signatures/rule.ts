import type { Evidence, RuleOutcome, SignatureEvidence } from '../types.ts'
import { judgeClause, type JudgedClause } from './judge-clause.ts'
import { clean, tellClause, tellEvidence } from './tell-clause.ts'
import type { SignaturePolicy } from './types.ts'

const hourMs = 3_600_000

/**
 * What the signatures of an image are worth under a policy. Unsigned so far, or not to be read now, is undetermined:
 * it can still become good. Where all that there is speaks against the image, it fails. Undefined when nothing is asked.
 */
export function judgeSignatures(
  policy: SignaturePolicy | undefined,
  { signatures, now }: Pick<Evidence, 'signatures' | 'now'>,
): RuleOutcome | undefined {
  if (!policy || policy.mode === 'off' || policy.clauses.length === 0) return undefined
  const judged = policy.clauses.map((clause) => judgeClause({ policy, clause, evidence: signatures, now }))
  const unmet = judged.filter(({ isMet }) => !isMet)
  const unavailable = whyUnavailable(signatures)
  const isOld = unmet.length > 0 && isHeldByLastAnswer(policy, signatures, now)
  const levels = new Set((unmet.length > 0 ? unmet : judged).map(({ clause }) => clause.level))
  return {
    rule: 'signatures',
    outcome: unmet.length === 0 || isOld ? 'pass' : outcomeOf(unmet, unavailable),
    message: [
      ...(isOld ? [tellOld(signatures, policy)] : []),
      ...(unmet.length > 0 ? unmet : judged).map(tellClause),
      ...(unmet.length > 0 && unavailable !== undefined
        ? [`not everything could be looked at (${clean(unavailable)}); it is tried again`]
        : []),
    ].join('; '),
    evidence: tellEvidence(policy, judged, signatures),
    level: [...levels].join(' + '),
    ...(policy.mode === 'enforce' ? {} : { mode: policy.mode }),
  }
}

/** Whether the last full answer still stands in for one that cannot be had now. */
export function isHeldByLastAnswer(
  { lastKnownGoodHours }: SignaturePolicy,
  evidence: SignatureEvidence,
  now: number,
): boolean {
  const { lastVerifiedAt } = evidence
  if (lastVerifiedAt === undefined || whyUnavailable(evidence) === undefined) return false
  return lastVerifiedAt <= now && now - lastVerifiedAt < lastKnownGoodHours * hourMs
}

function whyUnavailable({ verification, through = [] }: SignatureEvidence): string | undefined {
  return [verification, ...through].find(({ unavailable }) => unavailable !== undefined)?.unavailable
}

function tellOld({ lastVerifiedAt = 0 }: SignatureEvidence, { lastKnownGoodHours }: SignaturePolicy): string {
  return `held at ${new Date(lastVerifiedAt).toISOString()}, which stands for ${lastKnownGoodHours} hours while signatures cannot be read`
}

/** What cannot be looked at may yet be good, so only a full view fails. */
function outcomeOf(unmet: readonly JudgedClause[], unavailable: string | undefined): 'fail' | 'undetermined' {
  if (unavailable !== undefined) return 'undetermined'
  return unmet.some(isAgainst) ? 'fail' : 'undetermined'
}

/** Nobody that is asked has a claim that counts, and something speaks against the image. */
function isAgainst({ counted, claims, rejections }: JudgedClause): boolean {
  return counted.length === 0 && (rejections.length > 0 || claims.some(({ fault }) => fault?.isBad))
}
