import { evaluateRules, type BaseMatch, type RuleOutcome, type Rules } from '../policy/offline.ts'
import type { FindingReport, Inventory } from '../scanning/offline.ts'
import type { GateResult, GateVerdict } from './types.ts'

/** What holds without a policy: no known critical vulnerability. */
export const defaultRules: Rules = { scanned: true, findings: { atLeast: 'critical' } }

/** What the rules say of what an image holds, before it is in any registry. */
export function judgeInventory(
  rules: Rules,
  inventory: Inventory,
  report: FindingReport | undefined,
  now: number,
  base: BaseMatch = { status: 'unknown' },
): GateVerdict {
  return decide(
    evaluateRules(rules, {
      now,
      scan: { state: 'done', packages: inventory.packages.length, unknowns: inventory.unknowns },
      report,
      // What is not pushed yet has no signature that a registry could show.
      signatures: { status: 'unsigned', keys: [], signatures: [] },
      base,
    }),
  )
}

/** Any failure fails, and only what passes throughout is cleared. */
export function decide(reasons: readonly RuleOutcome[]): GateVerdict {
  if (reasons.some(({ outcome }) => outcome === 'fail')) return { state: 'failed', exitCode: 1, reasons }
  const holds = reasons.every(({ outcome }) => outcome === 'pass')
  return holds ? { state: 'cleared', exitCode: 0, reasons } : { state: 'undetermined', exitCode: 3, reasons }
}

/** The verdict on what cannot be read. */
export function unscannable(why: string): GateVerdict {
  const message = `could not be scanned: ${why}`
  const reasons = [{ rule: 'scanned', outcome: 'undetermined' as const, message }]
  return { state: 'unscannable', exitCode: 3, reasons }
}

const badness: readonly GateVerdict['state'][] = ['cleared', 'undetermined', 'unscannable', 'failed']

/** One result over several platforms: an index is as good as its worst image. */
export function joinResults(
  target: Pick<GateResult['target'], 'name' | 'kind' | 'digest'>,
  results: readonly GateResult[],
): GateResult {
  const [first] = results
  const worst = results.toSorted(
    (left, right) => badness.indexOf(right.verdict.state) - badness.indexOf(left.verdict.state),
  )[0]
  if (!first || !worst) throw new Error('there is no result to join')
  if (results.length === 1) return first
  return {
    target,
    startedAt: first.startedAt,
    finishedAt: results.at(-1)?.finishedAt ?? first.finishedAt,
    verdict: worst.verdict,
    advice: worst.advice,
    images: results,
  }
}
