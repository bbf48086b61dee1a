import { asList, asObject, asText, asTime, attempt, isCve } from './read-json.ts'
import type { SourceAdapter, SourceRecord } from './types.ts'

/** CISA's catalogue of known exploited vulnerabilities: the whole document, or a line each. */
export const kev: SourceAdapter = {
  name: 'kev',
  defaultUrl: 'https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json',
  requests: (url) => [{ source: 'kev', url, suffix: '.json' }],
  accepts: (record) =>
    Array.isArray(asObject(record)['vulnerabilities'])
      ? 'catalogVersion' in asObject(record)
      : 'cveID' in asObject(record) && 'dateAdded' in asObject(record),
  *read(record) {
    const { vulnerabilities, dateReleased } = asObject(record)
    for (const entry of Array.isArray(vulnerabilities) ? asList(vulnerabilities) : [record])
      yield attempt(() => readEntry(asObject(entry), asTime(dateReleased)))
  },
}

function readEntry(entry: Readonly<Record<string, unknown>>, releasedAt: number): SourceRecord {
  const [cve, day] = [asText(entry['cveID']), asText(entry['dateAdded'])]
  if (cve === undefined || !isCve(cve)) throw new Error('it has no cveID')
  if (day === undefined || !/^\d{4}-\d\d-\d\d$/.test(day)) throw new Error(`${cve}: dateAdded is no day`)
  return { fact: { cve, exploitedSince: day }, modifiedAt: Math.max(releasedAt, asTime(day)) }
}
