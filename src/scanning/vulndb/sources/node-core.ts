import semver from 'semver'
import type { VersionRange } from '../tables.ts'
import { asObject, asSummary, asText, asTexts, isCve } from './read-json.ts'
import type { SourceAdapter } from './types.ts'

const maximumRangeLength = 500
const maximumVersions = 50

/**
 * Advisories of Node.js itself (nodejs/security-wg, `vuln/core`), for the program and not for a package: affected
 * is what the range `vulnerable` takes and `patched` does not.
 */
export const nodeCore: SourceAdapter = {
  name: 'node-core',
  defaultUrl: '',
  requests: (url) => (url === '' ? [] : [{ source: 'node-core', url, suffix: '.jsonl.gz' }]),
  accepts: (record) => 'vulnerable' in asObject(record) && Array.isArray(asObject(record)['cve']),
  read(record) {
    const entry = asObject(record)
    const cves = asTexts(entry['cve']).filter(isCve)
    const vulnerable = asText(entry['vulnerable'])
    if (vulnerable === undefined) throw new Error('it names no vulnerable versions')
    const ranges = rangesOf(vulnerable, asText(entry['patched']) ?? '')
    const severity = asText(entry['severity'])
    const id = asText(entry['id']) ?? cves[0]
    if (id === undefined) throw new Error('it has no id')
    const affected = [{ ecosystem: 'Bitnami', package: 'node', ranges, versions: [] }]
    const advisory = {
      id,
      aliases: [],
      ...(cves.length === 0 ? {} : { covers: cves }),
      ...(severity === undefined ? {} : { severity }),
      summary: asSummary(entry['description']),
      modifiedAt: 0,
      affected,
    }
    return [{ advisory }]
  },
}

/** A stretch of versions from the first, included, to the second, which is not. */
type Span = readonly [from: string, to: string | undefined]

/** The vulnerable spans, each a range that ends where a patched one begins, or at its own limit. */
function rangesOf(vulnerable: string, patched: string): readonly VersionRange[] {
  const fixes = spansOf(patched)
  return spansOf(vulnerable).map(([introduced, limit]) => {
    const fixed = fixes
      .map(([start]) => start)
      .filter((start) => semver.gte(start, introduced) && (limit === undefined || semver.lt(start, limit)))
      .toSorted(semver.compare)[0]
    if (fixed !== undefined) return { events: [{ introduced }, { fixed }] }
    return { events: [{ introduced }, ...(limit === undefined ? [] : [{ limit }])] }
  })
}

function spansOf(text: string): readonly Span[] {
  if (text === '') return []
  if (text.length > maximumRangeLength) throw new Error('a range is too long')
  const { set } = new semver.Range(text)
  if (set.length > maximumVersions) throw new Error('a range has too many parts')
  return set.map((comparators) => {
    const least = comparators.find(({ operator }) => operator === '>=' || operator === '')
    const limit = comparators.find(({ operator }) => operator === '<')
    const exact = least?.operator === '' && least.semver.version
    // `8.x` ends with `<9.0.0-0`; the plain release says the same of releases, and is what a fix is called.
    const to = exact ? semver.inc(exact, 'patch') : limit?.semver.version.replace(/-0$/, '')
    return [least?.semver.version ?? '0.0.0', to ?? undefined] as const
  })
}
