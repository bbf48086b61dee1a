import { scoreOf } from '../cvss.ts'
import type { AffectedState, VersionEvent } from '../tables.ts'
import { isRpmEcosystem, normaliseName, readEcosystem } from './ecosystems.ts'
import { asList, asObject, asSummary, asText, asTexts, asTime, isCve } from './read-json.ts'
import type { Advisory, AffectedEntry, SourceAdapter, SourceRecord } from './types.ts'

const rangeTypes: readonly unknown[] = ['SEMVER', 'ECOSYSTEM']
const eventNames = ['introduced', 'fixed', 'last_affected', 'limit'] as const

/** Records of the OSV schema; GitHub's advisories and those of most registries and distributions come in it. */
export const osv: SourceAdapter = {
  name: 'osv',
  defaultUrl: 'https://osv-vulnerabilities.storage.googleapis.com',
  requests: (url, { ecosystems }) =>
    ecosystems.map((ecosystem) => ({
      source: ecosystem,
      url: `${url}/${encodeURIComponent(ecosystem)}/all.zip`,
      suffix: '.zip',
    })),
  accepts: (record) => asText(asObject(record)['id']) !== undefined && 'affected' in asObject(record),
  read: (record) => [readOsv(record)],
}

/** Reads a record of the OSV schema. Throws an error that says what is wrong for what is no record. */
export function readOsv(record: unknown): SourceRecord {
  const entry = asObject(record)
  const id = asText(entry['id'])
  if (!id) throw new Error('it has no id')
  const specific = asObject(entry['database_specific'])
  const isWithdrawn = entry['withdrawn'] !== undefined && entry['withdrawn'] !== null
  const affected = asList(entry['affected']).map(asObject)
  if (isWithdrawn || isNotice(specific, affected)) return { skipped: true }
  const ratings = [entry, ...affected].flatMap((one) => asList(one['severity']).map(asObject))
  const score = scoreOf(ratings.map(({ score }) => asText(score)).filter((text) => text !== undefined))
  const summary = asSummary(entry['summary'], entry['details'])
  const severity = wordOf(id, specific, ratings, affected, summary)
  return {
    advisory: {
      id,
      ...namesOf(id, entry),
      ...(severity === undefined ? {} : { severity }),
      ...(score === undefined ? {} : { score }),
      summary,
      modifiedAt: asTime(entry['modified']) || asTime(entry['published']),
      affected: readAffected(affected, summary),
    },
  }
}

/** RustSec's notices: a crate is unmaintained, or unsound. */
function isNotice(
  specific: Readonly<Record<string, unknown>>,
  affected: readonly Readonly<Record<string, unknown>>[],
): boolean {
  const informs = (from: Readonly<Record<string, unknown>>): boolean =>
    asText(from['informational']) !== undefined
  return (
    informs(specific) ||
    (affected.length > 0 && affected.every((entry) => informs(asObject(entry['database_specific']))))
  )
}

/**
 * An advisory of a distribution names in `upstream` or `related` all that it mends: those are no other names of
 * one thing. Elsewhere `related` is a hint only.
 */
function namesOf(
  id: string,
  record: Readonly<Record<string, unknown>>,
): Pick<Advisory, 'aliases' | 'covers'> {
  const aliases = asTexts(record['aliases'])
  const upstream = asTexts(record['upstream'])
  const isCollective = /^(?:ALSA|ALBA|ALEA|RLSA|RLBA|RXSA|RHSA|RHBA|RHEA|USN|DSA|DLA|ELSA)-/.test(id)
  if (!isCollective) return { aliases: [...aliases, ...(upstream.length === 1 ? upstream : [])] }
  const covers = [...new Set([...aliases, ...upstream, ...asTexts(record['related'])])].filter(isCve)
  return covers.length === 0 ? { aliases } : { aliases: [], covers }
}

function wordOf(
  id: string,
  specific: Readonly<Record<string, unknown>>,
  ratings: readonly Readonly<Record<string, unknown>>[],
  affected: readonly Readonly<Record<string, unknown>>[],
  summary: string,
): string | undefined {
  // A package that is itself malicious (OpenSSF's malicious packages) is rated by nobody.
  if (id.startsWith('MAL-')) return 'critical'
  const rated = ratings.find(({ type }) => type === 'Ubuntu')
  const word =
    asText(specific['severity']) ??
    asText(rated?.['score']) ??
    affected.map(urgencyOf).find((text) => text !== undefined) ??
    // AlmaLinux, Rocky Linux and Red Hat put the rating before the title.
    /^(Critical|Important|Moderate|Low): /.exec(summary)?.[1]
  return word?.toLowerCase()
}

/** Debian's urgency and the like, where the advisory as a whole has no severity. */
function urgencyOf(entry: Readonly<Record<string, unknown>>): string | undefined {
  const specific = { ...asObject(entry['database_specific']), ...asObject(entry['ecosystem_specific']) }
  return asText(specific['severity']) ?? asText(specific['urgency']) ?? asText(specific['ubuntu_priority'])
}

function readAffected(
  affected: readonly Readonly<Record<string, unknown>>[],
  summary: string,
): readonly AffectedEntry[] {
  const entries = affected.map((entry) => readEntry(entry, summary)).filter((entry) => entry !== undefined)
  // A release that everybody gets fixes for is the answer; the subscribers' stands in only without it.
  const open = new Set(entries.filter((entry) => !entry.isForSubscribers).map(({ entry }) => placeOf(entry)))
  const kept = entries.filter(({ entry, isForSubscribers }) => !isForSubscribers || !open.has(placeOf(entry)))
  // Red Hat lists a package once for each repository that carries it.
  return [...new Map(kept.map(({ entry }) => [JSON.stringify(entry), entry])).values()]
}

function placeOf(entry: AffectedEntry): string {
  return `${entry.ecosystem} ${entry.package}`
}

function readEntry(
  entry: Readonly<Record<string, unknown>>,
  summary: string,
): { readonly entry: AffectedEntry; readonly isForSubscribers: boolean } | undefined {
  const { ecosystem, name } = asObject(entry['package'])
  if (typeof ecosystem !== 'string' || typeof name !== 'string') return undefined
  const known = readEcosystem(ecosystem)
  if (!known) return undefined
  const ranges = asList(entry['ranges'])
    .map(asObject)
    .filter(({ type }) => rangeTypes.includes(type))
    .map(({ events }) => ({ events: asList(events).map(readEvent) }))
  const state = known.isForSubscribers ? 'unfixed' : stateOf(entry)
  const module = isRpmEcosystem(known.name) ? moduleOf(JSON.stringify(ranges), summary) : undefined
  return {
    entry: {
      ecosystem: known.name,
      package: normaliseName(known.name, name),
      ranges,
      versions: asTexts(entry['versions']),
      ...(state === undefined ? {} : { state }),
      ...(module === undefined ? {} : { module }),
    },
    isForSubscribers: known.isForSubscribers,
  }
}

function readEvent(event: unknown): VersionEvent {
  const from = asObject(event)
  return Object.fromEntries(eventNames.filter((name) => asText(from[name])).map((name) => [name, from[name]]))
}

/** Where a distribution's record says more than its ranges. */
function stateOf(entry: Readonly<Record<string, unknown>>): AffectedState | undefined {
  const specific = { ...asObject(entry['database_specific']), ...asObject(entry['ecosystem_specific']) }
  const status = asText(specific['status'])?.toLowerCase()
  if (status === 'ignored' || status === 'wont-fix' || status === 'will-not-fix') return 'will-not-fix'
  if (status === 'deferred' || status === 'postponed' || status === 'no-dsa') return 'deferred'
  return status === 'end-of-life' ? 'end-of-life' : undefined
}

/** Modular builds carry `.module` in their release; the title names the stream: `nodejs:18 security update`. */
export function moduleOf(versions: string, title: string): string | undefined {
  if (!/\.module[_+]/.test(versions)) return undefined
  const stream = /(?:^|: )([a-z0-9][\w.+-]{0,60}:[\w.-]{1,40})(?:[ /,]|$)/.exec(title)?.[1]
  return stream ?? ''
}
