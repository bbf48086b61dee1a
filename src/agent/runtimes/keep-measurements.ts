import type { FoundRuntime } from './report-runtimes.ts'

/** What was measured before stays with a runtime for as long as its program is the same; the latest counts. */
export function withMeasurements(
  found: readonly FoundRuntime[],
  before: readonly FoundRuntime[],
): FoundRuntime[] {
  const latest = before
    .filter(({ measuredAt }) => measuredAt !== undefined)
    .toSorted((one, other) => Number(other.measuredAt) - Number(one.measuredAt))
  return found.map((one) =>
    keep(
      one,
      latest.find((old) => isSame(one, old)),
    ),
  )
}

function isSame(one: FoundRuntime, old: FoundRuntime): boolean {
  return (
    one.backend === old.backend &&
    one.backendHandler === old.backendHandler &&
    one.program === old.program &&
    one.version === old.version
  )
}

function keep(found: FoundRuntime, measured: FoundRuntime | undefined): FoundRuntime {
  if (!measured || Number(measured.measuredAt) < Number(found.measuredAt ?? 0)) return found
  const { state, why } = measured
  const { why: whyBroken, ...rest } = found
  return {
    ...rest,
    // What is wrong with it by its daemon or its installation comes first.
    ...(found.state === 'broken' ? { why: whyBroken } : { state, why }),
    ...pickMeasured(measured),
  }
}

const kept = [
  'startMs',
  'memoryBytes',
  'cpuMillicores',
  'podStartMs',
  'podMemoryBytes',
  'arguments',
  'measuredAt',
] as const satisfies readonly (keyof FoundRuntime)[]

function pickMeasured(measured: FoundRuntime): Partial<FoundRuntime> {
  return Object.fromEntries(
    kept.flatMap((name) => (measured[name] === undefined ? [] : [[name, measured[name]]])),
  )
}
