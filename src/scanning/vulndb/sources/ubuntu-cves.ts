import type { AffectedState } from '../tables.ts'
import { asList, asObject, asSummary, asText, asTime, attempt, isCve } from './read-json.ts'
import type { AffectedEntry, SourceAdapter, SourceRecord } from './types.ts'

/** Ubuntu's code names of the releases that images are built from (wiki.ubuntu.com/Releases). */
const releases: Readonly<Record<string, string>> = {
  trusty: '14.04',
  xenial: '16.04',
  bionic: '18.04',
  focal: '20.04',
  jammy: '22.04',
  noble: '24.04',
  oracular: '24.10',
  plucky: '25.04',
  questing: '25.10',
  resolute: '26.04',
}

/** Statuses of Ubuntu's CVE tracker that say something of a package; `DNE`: the release has no such package. */
const states: Readonly<Record<string, AffectedState>> = {
  needed: 'unfixed',
  pending: 'unfixed',
  'in-progress': 'unfixed',
  active: 'unfixed',
  deferred: 'deferred',
  ignored: 'will-not-fix',
  'needs-triage': 'unknown',
  'not-affected': 'not-affected',
}

/**
 * Ubuntu's CVE tracker as its API gives it (`ubuntu.com/security/cves.json`), with the state of each release.
 * The API gives pages of a hundred, so it is read from files; updates take Ubuntu's OSV records.
 */
export const ubuntuCves: SourceAdapter = {
  name: 'ubuntu-cves',
  defaultUrl: '',
  requests: (url) => (url === '' ? [] : [{ source: 'ubuntu-cves', url, suffix: '.json' }]),
  accepts: (record) =>
    Array.isArray(asObject(record)['cves']) ||
    (isCve(asText(asObject(record)['id']) ?? '') && Array.isArray(asObject(record)['packages'])),
  *read(record) {
    const pages = asObject(record)['cves']
    for (const entry of Array.isArray(pages) ? pages : [record]) yield attempt(() => readCve(asObject(entry)))
  },
}

function readCve(record: Readonly<Record<string, unknown>>): SourceRecord {
  const id = asText(record['id'])
  if (id === undefined || !isCve(id)) throw new Error('it has no CVE id')
  if (record['status'] === 'rejected') return { skipped: true }
  const severity = asText(record['priority'])
  const affected = asList(record['packages']).map(asObject).flatMap(readPackage)
  return {
    advisory: {
      id,
      aliases: [],
      ...(severity === undefined || severity === 'untriaged' ? {} : { severity }),
      summary: asSummary(record['description']),
      modifiedAt: asTime(record['updated_at']) || asTime(record['published']),
      affected,
    },
  }
}

function readPackage(entry: Readonly<Record<string, unknown>>): readonly AffectedEntry[] {
  const name = asText(entry['name'])
  if (name === undefined) return []
  return asList(entry['statuses'])
    .map(asObject)
    .map((status) => readStatus(name, status))
    .filter((found) => found !== undefined)
}

/** A fix in an ESM pocket is for subscribers of Ubuntu Pro: to everybody else the package stays as it is. */
function readStatus(name: string, status: Readonly<Record<string, unknown>>): AffectedEntry | undefined {
  const release = releases[asText(status['release_codename']) ?? '']
  const word = asText(status['status']) ?? ''
  const isReleased = word === 'released'
  if (release === undefined || (!isReleased && !Object.hasOwn(states, word))) return undefined
  const fixed = isReleased ? asText(status['description']) : undefined
  const isForSubscribers = (asText(status['pocket']) ?? '').startsWith('esm')
  const state = isReleased && !isForSubscribers ? undefined : (states[word] ?? 'unfixed')
  return {
    ecosystem: `Ubuntu:${release}`,
    package: name,
    ranges: [{ events: [{ introduced: '0' }, ...(fixed === undefined ? [] : [{ fixed }])] }],
    versions: [],
    ...(state === undefined ? {} : { state }),
  }
}
