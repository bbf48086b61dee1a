import { asObject, asText, asTime, isCve } from './read-json.ts'
import type { SourceAdapter } from './types.ts'

/** Exploit prediction scores (FIRST, EPSS data): a packed CSV file a day, `cve,epss,percentile`. */
export const epss: SourceAdapter = {
  name: 'epss',
  defaultUrl: 'https://epss.empiricalsecurity.com/epss_scores-current.csv.gz',
  requests: (url) => [{ source: 'epss', url, suffix: '.csv.gz' }],
  accepts: (record) => 'cve' in asObject(record) && 'epss' in asObject(record),
  read(record) {
    const { cve, epss: score, percentile, score_date } = asObject(record)
    const id = asText(cve)
    if (id === undefined || !isCve(id)) throw new Error('it has no CVE id')
    const fact = { cve: id, probability: readShare(score), percentile: readShare(percentile) }
    return [{ fact, modifiedAt: asTime(score_date) }]
  },
}

function readShare(value: unknown): number {
  const share = Number(asText(value) ?? value)
  if (!(share >= 0 && share <= 1)) throw new Error(`${JSON.stringify(value)} does not lie between 0 and 1`)
  return share
}
