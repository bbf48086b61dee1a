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
  const { need = {} } = asked
  const least = strongest(demanded, need.isolation === 'strong' ? 'user-space-kernel' : need.isolation)
  if (asked.handler) return getNamed(asked.handler, reports, { demanded, least, need })
  if (!least && !need.performance && !need.isWasm) return getDefault(reports, defaultHandler)
  const fitting = findFitting(reports, need, least)
  const [best] = need.isolation === 'strong' ? fitting.toSorted(byIsolation) : fitting.toSorted(bySpeed)
  if (best) return best
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `no runtime of this node is ${tell(need, least)}: ${list(reports)}. ${remedy(need, least, reports)}`,
  )
}

/** What an image of a program needs, a Wasm sandbox cannot give, and the other way round. */
function findFitting<Report extends RuntimeReport>(
  reports: readonly Report[],
  { isWasm = false }: Need,
  least: IsolationLevel | undefined,
): Report[] {
  return reports.filter(
    ({ state, isolation }) =>
      state !== 'broken' && isAtLeast(isolation, least) && (isolation === 'wasm-sandbox') === isWasm,
  )
}

export function isAtLeast(level: IsolationLevel | undefined, least: IsolationLevel | undefined): boolean {
  if (least === undefined) return true
  return level !== undefined && isolationLevels.indexOf(level) >= isolationLevels.indexOf(least)
}

interface Bounds {
  readonly demanded?: IsolationLevel | undefined
  readonly least?: IsolationLevel | undefined
  readonly need?: Need
}

/** A pod that names a handler and needs something as well gets both, or nothing. */
function getNamed<Report extends RuntimeReport>(
  handler: string,
  reports: readonly Report[],
  { demanded, least, need = {} }: Bounds,
): Report {
  const found = reports.find((one) => one.handler === handler)
  if (!found) throw notFound(handler, reports)
  const isFit = isAtLeast(found.isolation, least)
  if (isFit && (!need.isWasm || found.isolation === 'wasm-sandbox')) return found
  const who = least !== undefined && least === demanded ? 'the policy' : 'the pod'
  const what = isFit ? 'a runtime for Wasm' : `isolation by ${least} or better`
  throw new CriFailure(
    'FAILED_PRECONDITION',
    `${who} asks for ${what}, and the handler ${handler} isolates by ${found.isolation ?? 'what is not known'}: ${list(reports)}. ${remedy(need, least, reports)}`,
  )
}

function notFound(handler: string, reports: readonly RuntimeReport[]): CriFailure {
  const names = reports.map((one) => one.handler)
  const nearest = names.length > 0 ? closest(handler, names) : ''
  const hint = nearest !== '' && distance(handler, nearest) <= 3 ? `; did you mean ${nearest}?` : ''
  return new CriFailure(
    'NOT_FOUND',
    `there is no runtime handler ${handler} on this node: ${list(reports)}${hint}`,
  )
}

function getDefault<Report extends RuntimeReport>(
  reports: readonly Report[],
  defaultHandler: string | undefined,
): Report {
  if (defaultHandler !== undefined) return getNamed(defaultHandler, reports, {})
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

function remedy(need: Need, least: IsolationLevel | undefined, reports: readonly RuntimeReport[]): string {
  const names = findFitting(reports, need, least).map(({ handler }) => handler)
  if (names.length > 0) return `Set runtimeClassName to ${names.join(' or ')}`
  if (need.isWasm) {
    return least !== undefined && !isAtLeast('wasm-sandbox', least)
      ? `A Wasm sandbox is no ${least}: ask for less, or run it as a program in one`
      : 'Give the agent a backend of the kind wasm in node.json'
  }
  const broken = reports.find(({ state, isolation }) => state === 'broken' && isAtLeast(isolation, least))
  const mend = broken ? `, or mend ${broken.handler}: ${broken.why ?? 'see pratique runtimes'}` : ''
  return least === 'virtual-machine'
    ? `Install Kata Containers and give it a handler${mend}`
    : `Install gVisor (runsc) and give it a handler${mend}`
}
