import { highestScore } from './cvss.ts'
import type { VersionRange } from './tables.ts'

/** A record as it goes into the database. */
export interface Advisory {
  readonly id: string
  readonly aliases: readonly string[]
  readonly severity: string | undefined
  readonly score: number | undefined
  readonly summary: string
  readonly modifiedAt: number
  readonly affected: readonly {
    readonly ecosystem: string
    readonly package: string
    readonly ranges: readonly VersionRange[]
    readonly versions: readonly string[]
  }[]
}

const maximumText = 300
const rangeTypes: readonly unknown[] = ['SEMVER', 'ECOSYSTEM']

/**
 * Reads a record of the OSV schema. Undefined for one that was withdrawn or that only informs (RustSec's
 * notices). Throws an error that says what is wrong for what is no record.
 */
export function readOsv(record: unknown): Advisory | undefined {
  const osv = asObject(record)
  const id = asText(osv['id'])
  if (!id) throw new Error('it has no id')
  if (osv['withdrawn'] !== undefined && osv['withdrawn'] !== null) return undefined
  const specific = asObject(osv['database_specific'])
  if (specific['informational'] !== undefined) return undefined
  const affected = asList(osv['affected']).map(asObject)
  const vectors = [...asList(osv['severity']), ...affected.flatMap((entry) => asList(entry['severity']))]
    .map((entry) => asText(asObject(entry)['score']))
    .filter((text) => text !== undefined)
  const score = highestScore(vectors)
  return {
    id,
    aliases: [...asList(osv['aliases']), ...asList(osv['upstream'])].filter(
      (alias) => typeof alias === 'string',
    ),
    severity: asText(specific['severity'])?.toLowerCase() ?? urgencyOf(affected),
    score,
    summary: (asText(osv['summary']) ?? asText(osv['details']) ?? '').slice(0, maximumText),
    modifiedAt: Date.parse(asText(osv['modified']) ?? asText(osv['published']) ?? '') || 0,
    affected: affected.flatMap((entry) => {
      const { ecosystem, name } = asObject(entry['package'])
      if (typeof ecosystem !== 'string' || typeof name !== 'string') return []
      const ranges = asList(entry['ranges']).map(asObject)
      return [
        {
          ecosystem,
          package: normaliseName(ecosystem, name),
          ranges: ranges
            .filter((range) => rangeTypes.includes(range['type']))
            .map((range) => ({ events: asList(range['events']).map(asObject) })),
          versions: asList(entry['versions']).filter((version) => typeof version === 'string'),
        },
      ]
    }),
  }
}

/** Debian's urgency and the like, where the advisory as a whole has no severity. */
function urgencyOf(affected: readonly Record<string, unknown>[]): string | undefined {
  for (const entry of affected) {
    const specific = { ...asObject(entry['database_specific']), ...asObject(entry['ecosystem_specific']) }
    const text = asText(specific['severity']) ?? asText(specific['urgency'])
    if (text) return text.toLowerCase()
  }
  return undefined
}

/** Python names are compared without regard to case and separators (PEP 503). */
export function normaliseName(ecosystem: string, name: string): string {
  return ecosystem === 'PyPI' ? name.toLowerCase().replace(/[-_.]+/g, '-') : name
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {}
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
