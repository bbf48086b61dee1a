import type { Claim } from '../../signing/offline.ts'
import { conditionKey } from './claim-key.ts'
import { evaluateConditions } from './conditions/index.ts'
import type { SignaturePolicy } from './types.ts'

/** Every condition of a policy on every claim that it is asked of: what `SignatureEvidence.conditions` holds. */
export async function evaluateClaims(
  policy: SignaturePolicy | undefined,
  claims: readonly { readonly claim: Claim; readonly subject: string }[],
  now: number,
): Promise<ReadonlyMap<string, boolean | string>> {
  const asked = (policy?.clauses ?? []).flatMap((clause) =>
    claims
      .filter(({ claim }) => claim.claim === clause.claim && clause.signers.includes(claim.signer))
      .flatMap((found) => clause.conditions.map((expression) => ({ expression, ...found }))),
  )
  const once = [...new Map(asked.map((one) => [conditionKey(one.claim, one.expression), one]))]
  const results = await evaluateConditions(
    once.map(([, { expression, claim, subject }]) => ({
      expression,
      variables: { predicate: claim.predicate, signer: claim.signer, claim: claim.claim, subject, now },
    })),
  )
  return new Map(once.map(([key], index) => [key, results[index] ?? 'it was not evaluated']))
}
