import { severities } from '../../scanning/offline.ts'
import {
  isolationLevels,
  type ClauseStatement,
  type Rules,
  type RunningStatement,
  type SignatureStatement,
} from '../rules-schema.ts'
import { signatureClaim } from '../../signing/offline.ts'
import { modes, referenceBindings } from '../signatures/types.ts'

/** What two levels say of the same thing, each as people read it. */
export interface Difference {
  readonly lower: string
  readonly higher: string
}

/** Where the rules of a lower level say less than those of a higher one; empty when they only tighten. */
export function findLooser(higher: Rules, lower: Rules): Difference[] {
  return [
    ...findLooserRules(higher, lower),
    ...findLooserRunning(higher.running ?? {}, lower.running ?? {}),
    ...(lower.signatures ? findLooserSignatures(higher.signatures ?? {}, lower.signatures) : []),
  ]
}

function findLooserRules(higher: Rules, lower: Rules): Difference[] {
  const found: Difference[] = []
  for (const name of ['scanned', 'approvedBase'] as const) {
    if (higher[name] && lower[name] === false) found.push(differ(name, false, true))
  }
  if (higher.findings && lower.findings && isLooser(higher.findings, lower.findings)) {
    found.push({ lower: showFindings(lower.findings), higher: showFindings(higher.findings) })
  }
  const [most, mostHere] = [higher.unknownFiles?.max, lower.unknownFiles?.max]
  if (isMore(mostHere, most)) found.push(differ('unknownFiles max', mostHere, most))
  const [oldest, oldestHere] = [higher.databaseAge?.maxDays, lower.databaseAge?.maxDays]
  if (isMore(oldestHere, oldest)) found.push(differ('databaseAge maxDays', oldestHere, oldest))
  return found
}

function findLooserRunning(higher: RunningStatement, lower: RunningStatement): Difference[] {
  const found: Difference[] = []
  const [level, levelHere] = [higher.isolation, lower.isolation]
  if (level && levelHere && isolationLevels.indexOf(levelHere) < isolationLevels.indexOf(level)) {
    found.push(differ('running isolation', levelHere, level))
  }
  if (higher.quarantined === 'evict' && lower.quarantined === 'report') {
    found.push(differ('running quarantined', 'report', 'evict'))
  }
  if (isMore(lower.breakGlassHours, higher.breakGlassHours)) {
    found.push(differ('running breakGlassHours', lower.breakGlassHours, higher.breakGlassHours))
  }
  return found
}

type Findings = NonNullable<Rules['findings']>

/** All that it asks is asked above already. More severities, if only fixed ones, would be something of its own. */
function isLooser(higher: Findings, lower: Findings): boolean {
  const [onlyFixed, onlyFixedHere] = [higher.onlyFixed ?? false, lower.onlyFixed ?? false]
  const isSame = lower.atLeast === higher.atLeast && onlyFixedHere === onlyFixed
  const isWithin = severities.indexOf(lower.atLeast) <= severities.indexOf(higher.atLeast)
  return !isSame && isWithin && (onlyFixedHere || !onlyFixed)
}

function showFindings({ atLeast, onlyFixed }: Findings): string {
  return `findings atLeast ${atLeast}${onlyFixed ? ', onlyFixed' : ''}`
}

function findLooserSignatures(higher: SignatureStatement, lower: SignatureStatement): Difference[] {
  const found: Difference[] = []
  for (const [name, order] of [
    ['mode', modes],
    ['bindReference', referenceBindings],
  ] as const) {
    const [above, here] = [higher[name], lower[name]]
    if (
      above &&
      here &&
      (order as readonly string[]).indexOf(here) < (order as readonly string[]).indexOf(above)
    ) {
      found.push(differ(name, here, above))
    }
  }
  for (const name of ['formats', 'keyAlgorithms'] as const) {
    const [above, here] = [higher[name], lower[name]] as const
    const extra = above && here?.filter((one) => !(above as readonly string[]).includes(one))
    if (extra && extra.length > 0) found.push(differ(name, extra.join(', '), above.join(', ')))
  }
  for (const name of ['requireTimestamp', 'requireLog'] as const) {
    if (higher[name] && lower[name] === false) found.push(differ(name, false, true))
  }
  for (const name of ['maximumAgeDays', 'lastKnownGoodHours'] as const) {
    if (isMore(lower[name], higher[name])) found.push(differ(name, lower[name], higher[name]))
  }
  for (const clause of lower.require ?? []) {
    const above = higher.require?.filter(({ name }) => name === clause.name) ?? []
    found.push(...above.flatMap((one) => compareClauses(one, clause)))
  }
  return found
}

function compareClauses(higher: ClauseStatement, lower: ClauseStatement): Difference[] {
  const clause = `clause ${lower.name}`
  const [claim, claimHere] = [higher.claim ?? signatureClaim, lower.claim ?? signatureClaim]
  if (claim !== claimHere) return [differ(`${clause}: claim`, claimHere, claim)]
  const extra = lower.signers.filter((signer) => !higher.signers.includes(signer))
  if (extra.length > 0) return [differ(`${clause}: signers`, extra.join(', '), higher.signers.join(', '))]
  const { threshold = 1 } = higher
  if (lower.threshold !== undefined && lower.threshold < threshold) {
    return [differ(`${clause}: threshold`, lower.threshold, threshold)]
  }
  if (threshold > lower.signers.length) {
    const few = `${clause}: ${lower.signers.length} ${lower.signers.length === 1 ? 'signer' : 'signers'}`
    return [{ lower: few, higher: `threshold ${threshold}, which so few can never meet` }]
  }
  return []
}

function isMore(here: number | undefined, above: number | undefined): boolean {
  return here !== undefined && above !== undefined && here > above
}

function differ(what: string, lower: unknown, higher: unknown): Difference {
  return { lower: `${what} ${String(lower)}`, higher: String(higher) }
}
