import { compareDigits } from './compare-deb.ts'

interface RpmVersion {
  readonly epoch: string
  readonly version: string
  readonly release: string | undefined
}

/**
 * Compares rpm versions, `[epoch:]version[-release]` (rpm-version(7)). A missing epoch is 0. Where one side
 * names no release, as advisories may, any release is meant, and releases are not compared.
 */
export function compareRpm(left: string, right: string): number {
  const [a, b] = [splitRpm(left), splitRpm(right)]
  return (
    compareDigits(a.epoch, b.epoch) ||
    compareSegments(a.version, b.version) ||
    (a.release === undefined || b.release === undefined ? 0 : compareSegments(a.release, b.release))
  )
}

function splitRpm(text: string): RpmVersion {
  const epoch = /^(\d*):/.exec(text)?.[1]
  const rest = epoch === undefined ? text : text.slice(epoch.length + 1)
  const hyphen = rest.lastIndexOf('-')
  return {
    epoch: epoch ?? '',
    version: hyphen < 0 ? rest : rest.slice(0, hyphen),
    release: hyphen < 0 ? undefined : rest.slice(hyphen + 1),
  }
}

/**
 * rpm-version(7), "Comparison": runs of digits and runs of letters, in turn; all else only separates them. `~`
 * is older than the end of a version; `^` is newer than the end and older than anything else.
 */
function compareSegments(left: string, right: string): number {
  let [at, other] = [skipSeparators(left, 0), skipSeparators(right, 0)]
  while (at < left.length || other < right.length) {
    const [a, b] = [segmentAt(left, at), segmentAt(right, other)]
    const difference = compareSegment(a, b)
    if (difference !== 0) return difference
    at = skipSeparators(left, at + a.length)
    other = skipSeparators(right, other + b.length)
  }
  return 0
}

function compareSegment(left: string, right: string): number {
  const [a, b] = [rankOf(left), rankOf(right)]
  if (a !== b) return a < b ? -1 : 1
  if (isDigit(left.charCodeAt(0))) return compareDigits(left, right)
  return left === right ? 0 : left < right ? -1 : 1
}

/** What kind of segment it is decides first; an empty one is the end. */
function rankOf(segment: string): number {
  if (segment === '~') return 0
  if (segment === '') return 1
  if (segment === '^') return 2
  return isDigit(segment.charCodeAt(0)) ? 4 : 3
}

function segmentAt(text: string, at: number): string {
  const first = text.charCodeAt(at)
  const isOfSegment = isDigit(first) ? isDigit : isLetter
  let end = at
  while (isOfSegment(text.charCodeAt(end))) end++
  return text.slice(at, end === at ? at + 1 : end)
}

function skipSeparators(text: string, from: number): number {
  let at = from
  while (at < text.length && isSeparator(text.charCodeAt(at))) at++
  return at
}

function isSeparator(code: number): boolean {
  return !isDigit(code) && !isLetter(code) && code !== 0x7e && code !== 0x5e
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

/** Of ASCII only, whatever the locale. */
function isLetter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)
}
