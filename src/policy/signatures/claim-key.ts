import type { Claim } from '../../signing/offline.ts'

/** Tells claims apart: one payload may carry the signatures of several signers in one manifest. */
export function claimKey({ manifest, layer, signer, by, claim }: Claim): string {
  return `${manifest} ${layer} ${by ?? signer} ${claim}`
}

/** Under which the result of a condition, evaluated on a claim, is kept in `SignatureEvidence.conditions`. */
export function conditionKey(claim: Claim, expression: string): string {
  return `${claimKey(claim)} ${expression}`
}
