import type { AffectedState } from '../tables.ts'
import { asObject, asSummary, asText, isCve } from './read-json.ts'
import type { AffectedEntry, SourceAdapter, SourceRecord } from './types.ts'

/** Debian's code names (debian.org, "Debian Releases"); the tracker files by them, os-release has the number. */
const releases: Readonly<Record<string, string>> = {
  jessie: '8',
  stretch: '9',
  buster: '10',
  bullseye: '11',
  bookworm: '12',
  trixie: '13',
  forky: '14',
}

/** Debian's own security tracker: one document, package by CVE by release, with what will not be fixed and why. */
export const debianTracker: SourceAdapter = {
  name: 'debian-tracker',
  defaultUrl: 'https://security-tracker.debian.org/tracker/data/json',
  requests: (url) => [{ source: 'debian-tracker', url, suffix: '.json' }],
  accepts(record) {
    const entries = Object.values(asObject(record)).slice(0, 20)
    const issues = entries.flatMap((entry) => Object.values(asObject(entry)).slice(0, 20))
    return issues.length > 0 && issues.every((issue) => typeof asObject(issue)['releases'] === 'object')
  },
  *read(record) {
    for (const [name, issues] of Object.entries(asObject(record)))
      for (const [id, issue] of Object.entries(asObject(issues))) yield* readIssue(name, id, asObject(issue))
  },
}

function* readIssue(
  name: string,
  id: string,
  issue: Readonly<Record<string, unknown>>,
): Generator<SourceRecord> {
  // Issues without a CVE have a temporary name (`TEMP-0000000-ABCDEF`), which stays their own.
  if (!isCve(id) && !id.startsWith('TEMP-')) return yield { skipped: true }
  const summary = asSummary(issue['description'])
  // The urgency is given for each release: releases that agree on it share an advisory.
  const byUrgency = new Map<string, AffectedEntry[]>()
  for (const [codename, about] of Object.entries(asObject(issue['releases']))) {
    const entry = readRelease(name, codename, asObject(about))
    if (!entry) continue
    const urgency = urgencyOf(asObject(about)['urgency'])
    byUrgency.set(urgency, [...(byUrgency.get(urgency) ?? []), entry])
  }
  for (const [urgency, affected] of byUrgency) {
    const severity = urgency === '' ? {} : { severity: urgency }
    yield { advisory: { id, aliases: [], ...severity, summary, modifiedAt: 0, affected } }
  }
}

function readRelease(
  name: string,
  codename: string,
  about: Readonly<Record<string, unknown>>,
): AffectedEntry | undefined {
  const release = releases[codename]
  if (release === undefined) return undefined
  const fixed = about['status'] === 'resolved' ? asText(about['fixed_version']) : undefined
  const state = fixed === '0' ? 'not-affected' : fixed === undefined ? stateOf(about) : undefined
  const isFixed = fixed !== undefined && fixed !== '0'
  return {
    ecosystem: `Debian:${release}`,
    package: name,
    ranges: [{ events: [{ introduced: '0' }, ...(isFixed ? [{ fixed }] : [])] }],
    versions: [],
    ...(state === undefined ? {} : { state }),
  }
}

/** `nodsa_reason`: `ignored` is a decision, `postponed` and an empty one mean later or with a point release. */
function stateOf(about: Readonly<Record<string, unknown>>): AffectedState {
  if (about['status'] === 'undetermined') return 'unknown'
  if (urgencyOf(about['urgency']) === 'end-of-life') return 'end-of-life'
  if (about['nodsa_reason'] === 'ignored') return 'will-not-fix'
  return about['nodsa'] === undefined || about['nodsa'] === null ? 'unfixed' : 'deferred'
}

/** `low**` was set by a person, `low*` by NVD's rating; "not yet assigned" says nothing. */
function urgencyOf(value: unknown): string {
  const word = (asText(value) ?? '').replace(/\*+$/, '')
  return word === 'not yet assigned' ? '' : word
}
