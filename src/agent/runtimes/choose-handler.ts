import { closest, distance } from 'fastest-levenshtein'
import { CriFailure } from '../cri/failures.ts'
import { isolationLevels, type IsolationLevel, type Need, type RuntimeReport } from './types.ts'

export interface Choice {
  /** The weakest isolation that a policy allows. */
  readonly demanded?: IsolationLevel | undefined
  /** The handler of pods that name and need nothing. */
  readonly defaultHandler?: string | undefined
}

/**
 * The runtime of a pod: the one that it names, or the one that fits its need best. Throws NOT_FOUND for a handler
 * that is not there, and FAILED_PRECONDITION when none fits; both say which there are.
 */
export function chooseHandler<Report extends RuntimeReport>(
  asked: { readonly handler?: string | undefined; readonly need?: Need | undefined },
  reports: readonly Report[],
  { demanded, defaultHandler }: Choice = {},
): Report {
  if (asked.handler) return getNamed(asked.handler, reports, demanded)
  const { need = {} } = asked
  const least = strongest(demanded, need.isolation === 'strong' ? 'user-space-kernel' : need.isolation)
  if (!least && !need.performance && !need.isWasm) return getDefault(reports, defaultHandler)
  const fitting = reports.filter(
    (one) =>
      one.state !== 'broken' &&
      isAtLeast(one.isolation, least) &&
      (need.isWasm ? one.isolation === 'wasm-sandbox' : one.isolation !== 'wasm-sandbox'),
  )
  const [best] = need.isolation === 'strong' ? fitting.toSorted(byIsolation) : fitting.toSorted(bySpeed)
  if (best) return best
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `no runtime of this node is ${tell(need, least)}: ${list(reports)}. ${remedy(need, least)}`,
  )
}

export function isAtLeast(level: IsolationLevel | undefined, least: IsolationLevel | undefined): boolean {
  if (least === undefined) return true
  return level !== undefined && isolationLevels.indexOf(level) >= isolationLevels.indexOf(least)
}

function getNamed<Report extends RuntimeReport>(
  handler: string,
  reports: readonly Report[],
  demanded: IsolationLevel | undefined,
): Report {
  const found = reports.find((one) => one.handler === handler)
  if (!found) {
    const names = reports.map((one) => one.handler)
    const nearest = names.length > 0 ? closest(handler, names) : ''
    const hint = distance(handler, nearest) <= 3 && nearest !== '' ? `; did you mean ${nearest}?` : ''
    throw new CriFailure(
      'NOT_FOUND',
      `there is no runtime handler ${handler} on this node: ${list(reports)}${hint}`,
    )
  }
  if (isAtLeast(found.isolation, demanded)) return found
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `the policy asks for ${demanded}, and the handler ${handler} isolates by ${found.isolation ?? 'what is not known'}: ${list(reports)}`,
  )
}

function getDefault<Report extends RuntimeReport>(
  reports: readonly Report[],
  defaultHandler: string | undefined,
): Report {
  if (defaultHandler !== undefined) return getNamed(defaultHandler, reports, undefined)
  const [first] = reports
  if (!first) throw new CriFailure('FAILED_PRECONDITION', 'no runtime was found; see pratique doctor node')
  return reports.find((one) => one.backend === first.backend && isDefaultOf(one)) ?? first
}

function isDefaultOf(report: RuntimeReport): boolean {
  return (report as { readonly isBackendDefault?: boolean }).isBackendDefault === true
}

function strongest(one: IsolationLevel | undefined, other: IsolationLevel | undefined) {
  return isAtLeast(one, other) ? (one ?? other) : other
}

function byIsolation(one: RuntimeReport, other: RuntimeReport): number {
  const level = ({ isolation }: RuntimeReport): number =>
    isolation ? isolationLevels.indexOf(isolation) : -1
  return level(other) - level(one) || bySpeed(one, other)
}

/** What was not measured here comes after what was. */
function bySpeed(one: RuntimeReport, other: RuntimeReport): number {
  return (one.startMs ?? Infinity) - (other.startMs ?? Infinity) || 0
}

function tell({ isWasm, performance }: Need, least: IsolationLevel | undefined): string {
  const words = [
    ...(isWasm ? ['one for Wasm'] : []),
    ...(least ? [`isolated by ${least} or better`] : []),
    ...(performance ? ['measured'] : []),
  ]
  return words.join(' and ')
}

function list(reports: readonly RuntimeReport[]): string {
  const told = reports.map(({ handler, isolation, state }) =>
    state === 'broken' ? `${handler} (broken)` : `${handler} (${isolation ?? 'unknown'})`,
  )
  return told.length > 0 ? `there are ${told.join(', ')}` : 'there is none'
}

function remedy({ isWasm }: Need, least: IsolationLevel | undefined): string {
  if (isWasm) return 'Give the agent a backend of the kind wasm in node.json'
  return least === 'virtual-machine'
    ? 'Install Kata Containers and give it a handler'
    : 'Install gVisor (runsc) and give it a handler'
}
