import type { Statement } from './read-records.ts'
import type { Places } from './reference-orders.ts'

/** What the records say of one version, by the names that an answer has to have. */
export interface Expected {
  /** Each name with the place of the lowest fix that its records name; undefined where none does. */
  readonly fixes: ReadonlyMap<string, number | undefined>
}

/** Every version that the statements name: what the places have to be known of. */
export function boundsOf(statements: readonly Statement[]): readonly string[] {
  const bounds = statements.flatMap(({ ranges }) => ranges.flat().flatMap((event) => Object.values(event)))
  return [...new Set(bounds)].filter((bound) => bound !== '0' && bound !== '*' && bound !== '')
}

/**
 * Says for every version what the records say of it: each range is drawn as a line over all versions in their
 * order, from the lowest to the highest. `undefined` where the order does not know the version, or a bound of a
 * record.
 */
export function expectFindings(
  statements: readonly Statement[],
  versions: readonly string[],
  places: Places,
): ReadonlyMap<string, Expected> {
  const ruledOut = new Set(statements.filter(({ isRuledOut }) => isRuledOut).flatMap(({ ids }) => ids))
  const count = Math.max(0, ...[...places.values()].map((place) => (place ?? 0) + 1))
  const drawn = statements.map(({ ranges, versions: listed }) => ({
    lines: ranges.map((events) => drawRange(events, places, count)),
    listed: new Set(listed.flatMap((version) => places.get(version) ?? [])),
  }))
  const expected = new Map<string, Expected>()
  for (const version of versions) {
    const place = places.get(version)
    if (place === undefined) continue
    const fixes = new Map<string, number | undefined>()
    for (const [index, statement] of statements.entries()) {
      const { lines, listed } = drawn[index] as (typeof drawn)[number]
      const within = statement.ranges.filter((_, at) => lines[at]?.[place])
      if (within.length === 0 && !listed.has(place)) continue
      const fix = lowestFix(within.length > 0 ? within : statement.ranges, place, places)
      for (const id of statement.ids) if (!ruledOut.has(id)) fixes.set(id, lower(fixes.get(id), fix))
    }
    expected.set(version, { fixes })
  }
  return expected
}

/** Which places lie in a range (OSV schema, "Evaluation"). */
function drawRange(events: Statement['ranges'][number], places: Places, count: number): readonly boolean[] {
  const at = (kind: 'introduced' | 'fixed' | 'last_affected'): ReadonlySet<number> =>
    new Set(events.flatMap((event) => (event[kind] === undefined ? [] : (places.get(event[kind]) ?? []))))
  const [begins, ends, lasts] = [at('introduced'), at('fixed'), at('last_affected')]
  const limits = events.flatMap(({ limit }) =>
    limit === undefined || limit === '*' ? [] : (places.get(limit) ?? []),
  )
  const limit = limits.length === 0 ? count : Math.max(...limits)
  let isAffected = events.some(({ introduced }) => introduced === '0')
  return Array.from({ length: count }, (_, place) => {
    if (begins.has(place)) isAffected = true
    if (ends.has(place)) isAffected = false
    const here = isAffected && place < limit
    if (lasts.has(place)) isAffected = false
    return here
  })
}

function lowestFix(ranges: Statement['ranges'], place: number, places: Places): number | undefined {
  const fixes = ranges
    .flat()
    .flatMap(({ fixed }) => (fixed === undefined ? [] : (places.get(fixed) ?? [])))
    .filter((fix) => fix > place)
  return fixes.length === 0 ? undefined : Math.min(...fixes)
}

function lower(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined ? right : right === undefined ? left : Math.min(left, right)
}
