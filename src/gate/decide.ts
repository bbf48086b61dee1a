import {
  countsAgainst,
  evaluatePolicy,
  type BaseMatch,
  type Evidence,
  type RuleOutcome,
  type Rules,
  type RuleSet,
} from '../policy/offline.ts'
import { digestOf } from '../kernel/digest.ts'
import type { FindingReport, Inventory } from '../scanning/offline.ts'
import type { GateResult, GateVerdict } from './types.ts'

/** What holds without a policy: no known critical vulnerability. */
export const defaultRules: RuleSet = askedHere({ scanned: true, findings: { atLeast: 'critical' } })

/** Rules that the command line of a build asks for. */
export function askedHere(rules: Rules): RuleSet {
  return { levels: [{ level: 'command line', rules }] }
}

/** What the rules say of what an image holds, before it is in any registry. */
export function judgeInventory(
  rules: RuleSet,
  inventory: Inventory,
  report: FindingReport | undefined,
  now: number,
  base: BaseMatch = { status: 'unknown' },
): GateVerdict {
  return decide(
    evaluatePolicy(rules, {
      now,
      scan: { state: 'done', packages: inventory.packages.length, unknowns: inventory.unknowns },
      report,
      // What is not pushed yet has no signature that a registry could show.
      signatures: unsigned,
      base,
    }),
  )
}

const unsigned: Evidence['signatures'] = {
  verification: { subject: digestOf(''), status: 'unsigned', claims: [], rejections: [] },
  boundTo: [],
  tags: [],
  conditions: new Map(),
}

/** Any failure that counts fails, and only what nothing counts against is cleared. */
export function decide(reasons: readonly RuleOutcome[]): GateVerdict {
  const counted = reasons.filter(countsAgainst)
  if (counted.some(({ outcome }) => outcome === 'fail')) return { state: 'failed', exitCode: 1, reasons }
  return counted.length === 0
    ? { state: 'cleared', exitCode: 0, reasons }
    : { state: 'undetermined', exitCode: 3, reasons }
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
