import { scoreOf } from '../cvss.ts'
import { asObject, asText, isCve } from './read-json.ts'
import type { SourceAdapter } from './types.ts'

/** Lines `{cve, almalinux, cvss}`: severities by CVE, for distributions whose advisories carry none. */
export const severityList: SourceAdapter = {
  name: 'severity-list',
  defaultUrl: '',
  requests: (url) => (url === '' ? [] : [{ source: 'severity-list', url, suffix: '.jsonl.gz' }]),
  accepts(record) {
    const { cve, almalinux, cvss, severity } = asObject(record)
    return typeof cve === 'string' && (almalinux ?? cvss ?? severity) !== undefined
  },
  read(record) {
    const entry = asObject(record)
    const cve = asText(entry['cve'])
    if (cve === undefined || !isCve(cve)) throw new Error('it has no CVE id')
    const word = (asText(entry['almalinux']) ?? asText(entry['severity']))?.toLowerCase()
    const vector = asText(entry['cvss'])
    const score = vector === undefined ? undefined : scoreOf([vector])
    return [
      {
        fact: {
          cve,
          ...(word === undefined ? {} : { severity: word }),
          ...(score === undefined ? {} : { score }),
        },
      },
    ]
  },
}
