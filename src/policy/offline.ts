import type { Rules } from './policy-document.ts'

/** Policies and their rules without a server: the same word in a build as in the registry. */
export { evaluateRules } from './rules/index.ts'
export type { Rules } from './policy-document.ts'
export type { Evidence, RuleOutcome } from './types.ts'
export type { BaseMatch } from '../baseimages/index.ts'

/** The rules of a stage in the text of a policy; of the first stage when none is named. Throws POLICY_INVALID. */
export async function readRules(text: string, stage: string | undefined): Promise<Rules> {
  // The schema library is large, and most builds bring no policy of their own.
  const { parsePolicy, rulesForStage } = await import('./policy-document.ts')
  return rulesForStage(parsePolicy(text), stage)
}
