import type { RuleSet } from '../policy/offline.ts'
import {
  matchInventory,
  ScanningFailure,
  type Inventory,
  type VulnerabilityDatabase,
} from '../scanning/offline.ts'
import { joinResults, judgeInventory, unscannable } from './decide.ts'
import { adviseFixes } from './reports/advise-fixes.ts'
import type { OpenTarget, TargetImage } from './targets/index.ts'
import type { GateResult } from './types.ts'

export interface GateParts {
  /** What has to hold. */
  readonly rules: RuleSet
  /** Undefined: nothing can be matched, which is never as good as clean. */
  readonly database: VulnerabilityDatabase | undefined
  readonly now: () => number
}

/** Matches and judges what an image holds. */
export type JudgeInventory = (about: GateResult['target'], inventory: Inventory) => Promise<GateResult>

/** Scans and judges every image of a target, without a server. */
export async function runGate(target: OpenTarget, parts: GateParts): Promise<GateResult> {
  const time = (): string => new Date(parts.now()).toISOString()
  return judgeTarget(target, async (about, inventory) => {
    const startedAt = time()
    const report = parts.database && matchInventory(inventory, parts.database)
    return {
      target: about,
      startedAt,
      finishedAt: time(),
      inventory,
      ...(report ? { report } : {}),
      verdict: judgeInventory(parts.rules, inventory, report, parts.now()),
      advice: report ? adviseFixes(report.findings) : [],
    }
  })
}

/** Reads every image of a target and has it judged. What cannot be read has a verdict too. */
export async function judgeTarget(target: OpenTarget, judge: JudgeInventory): Promise<GateResult> {
  const results: GateResult[] = []
  for (const image of target.images) {
    const about = describeTarget(target, image)
    try {
      results.push(await judge(about, await image.readInventory()))
    } catch (error) {
      if (!(error instanceof ScanningFailure)) throw error
      const time = new Date().toISOString()
      const verdict = unscannable(error.message)
      results.push({ target: about, startedAt: time, finishedAt: time, verdict, advice: [] })
    }
  }
  return joinResults({ name: target.name, kind: target.kind }, results)
}

/** The names under which a result speaks of an image. */
function describeTarget(
  { name, kind }: Pick<OpenTarget, 'name' | 'kind'>,
  { digest, platform }: Pick<TargetImage, 'digest' | 'platform'>,
): GateResult['target'] {
  return {
    name,
    kind,
    ...(digest === undefined ? {} : { digest }),
    ...(platform === undefined ? {} : { platform }),
  }
}
