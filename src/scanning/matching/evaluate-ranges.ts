import type { CompareVersions } from '../versions/index.ts'
import type { AffectedPackage, VersionEvent, VersionRange } from '../vulndb/tables.ts'

/** What an advisory says of a version that it is about. */
export interface RangeMatch {
  /** The lowest version above it that the advisory calls mended. */
  readonly fixedVersion: string | undefined
  /** The advisory says where the vulnerable versions end, without a fix. */
  readonly hasOtherEnd: boolean
}

/**
 * OSV schema, "Evaluation": a version is affected when it is listed, or lies in a range. Undefined when it is
 * neither.
 */
export function matchVersion(
  affected: AffectedPackage,
  version: string,
  compare: CompareVersions,
): RangeMatch | undefined {
  const inRange = affected.ranges.filter((range) => isInRange(range, version, compare))
  if (inRange.length === 0 && !isListed(affected.versions, version, compare)) return undefined
  const events = (inRange.length > 0 ? inRange : affected.ranges).flatMap((range) => range.events)
  const fixes = events
    .map(({ fixed }) => fixed)
    .filter((fixed) => fixed !== undefined && compare(fixed, version) > 0) as string[]
  return {
    fixedVersion: fixes.toSorted(compare)[0],
    hasOtherEnd: inRange.length === 0 || events.some((event) => event.last_affected ?? event.limit),
  }
}

/** Registries list versions as they were uploaded, `1.0` for `1.0.0` among them. */
function isListed(versions: readonly string[], version: string, compare: CompareVersions): boolean {
  return versions.includes(version) || versions.some((one) => compare(one, version) === 0)
}

function isInRange({ events }: VersionRange, version: string, compare: CompareVersions): boolean {
  // "BeforeLimits": without a limit there is none, else one of them has to be above.
  const limits = events.map(({ limit }) => limit).filter((limit) => limit !== undefined && limit !== '*')
  if (limits.length > 0 && !limits.some((limit) => compare(version, limit as string) < 0)) return false
  let isAffected = false
  for (const event of inOrder(events, compare)) {
    if (event.introduced !== undefined) {
      if (event.introduced === '0' || compare(version, event.introduced) >= 0) isAffected = true
    } else if (event.fixed !== undefined) {
      if (compare(version, event.fixed) >= 0) isAffected = false
    } else if (event.last_affected !== undefined && compare(version, event.last_affected) > 0)
      isAffected = false
  }
  return isAffected
}

/** Most ranges are one beginning and one end, and need no sorting. */
function inOrder(events: readonly VersionEvent[], compare: CompareVersions): readonly VersionEvent[] {
  if (events.length <= 1 || (events.length === 2 && events[0]?.introduced !== undefined)) return events
  return events.toSorted((left, right) => compareEvents(left, right, compare))
}

function compareEvents(left: VersionEvent, right: VersionEvent, compare: CompareVersions): number {
  const [a, b] = [placeOf(left), placeOf(right)]
  if (a === '0' || b === '0') return a === b ? 0 : a === '0' ? -1 : 1
  return compare(a, b)
}

function placeOf(event: VersionEvent): string {
  return event.introduced ?? event.fixed ?? event.last_affected ?? event.limit ?? ''
}
