import { countsAgainst, type RuleOutcome, type RuleSet } from '../policy/offline.ts'
import { decide, joinResults, judgeInventory } from './decide.ts'
import type { GateResult } from './types.ts'

/** Adds rules of the caller's own to what a policy said: they can make a verdict worse, never better. */
export function tightenVerdict(result: GateResult, rules: RuleSet, now: number): GateResult {
  if (result.images) {
    return joinResults(
      result.target,
      result.images.map((image) => tightenVerdict(image, rules, now)),
    )
  }
  if (!result.inventory) return result
  const own = judgeInventory(rules, result.inventory, result.report, now).reasons as readonly RuleOutcome[]
  const added = own.filter(countsAgainst)
  if (added.length === 0) return result
  const mine = decide(added)
  const reasons = [...result.verdict.reasons, ...added]
  const isWorse = result.verdict.state === 'cleared' || mine.state === 'failed'
  return { ...result, verdict: isWorse ? { ...mine, reasons } : { ...result.verdict, reasons } }
}
