import type { RuleSet } from './levels/types.ts'

/** Policies and their rules without a server: the same word in a build as in the registry. */
export { countsAgainst } from './counts-against.ts'
export { coversPattern, patternsMeet } from './levels/cover.ts'
export type { EffectivePolicy, PolicyLevel, RuleSet, SignerNames } from './levels/types.ts'
export { allowedTags } from './signatures/allowed-tags.ts'
export { evaluateClaims } from './signatures/evaluate-claims.ts'
export { isNamed, namesForSigners, readSignedReference } from './signatures/reference.ts'
export { judgeSignatures } from './signatures/rule.ts'
export { modes, referenceBindings, type SignatureClause, type SignaturePolicy } from './signatures/types.ts'
export { evaluatePolicy } from './rules/index.ts'
export type { Rules } from './rules-schema.ts'
export type { Evidence, RuleOutcome, SignatureEvidence } from './types.ts'
export type { BaseMatch } from '../baseimages/index.ts'

/**
 * What the text of a policy asks in a stage, with what it asks everywhere; in the first stage when none is named.
 * Throws POLICY_INVALID.
 */
export async function readRules(text: string, stage: string | undefined): Promise<RuleSet> {
  // The schema library is large, and most builds bring no policy of their own.
  const { getStage, parsePolicy } = await import('./policy-document.ts')
  const { effectivePolicyOfStage } = await import('./levels/effective-policy.ts')
  const document = parsePolicy(text)
  return effectivePolicyOfStage(document, getStage(document, stage))
}
