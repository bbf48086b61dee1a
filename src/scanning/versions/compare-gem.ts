import { compareDigits } from './compare-deb.ts'

const grammar = /^\s*(?:\d+(?:\.[0-9a-z]+)*(?:-[0-9a-z-]+(?:\.[0-9a-z-]+)*)?)?\s*$/i

/**
 * Compares RubyGems versions (Gem::Version): segments of digits and of letters; letters make a pre-release, a
 * hyphen too. What does not follow the format sorts below what does, and by its text.
 */
export function compareGem(left: string, right: string): number {
  const [isLeft, isRight] = [grammar.test(left), grammar.test(right)]
  if (!isLeft || !isRight) return isLeft ? 1 : isRight ? -1 : compareText(left, right)
  const [a, b] = [segmentsOf(left), segmentsOf(right)]
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = compareSegments(a[index] ?? '0', b[index] ?? '0')
    if (difference !== 0) return difference
  }
  return 0
}

/** Without the zeros that end the numbers in front of the first letters, and those that end the whole. */
function segmentsOf(version: string): readonly string[] {
  const segments = version.replaceAll('-', '.pre.').match(/\d+|[a-z]+/gi) ?? []
  const letters = segments.findIndex((segment) => !isNumber(segment))
  const split = letters < 0 ? segments.length : letters
  return [...withoutTrailingZeros(segments.slice(0, split)), ...withoutTrailingZeros(segments.slice(split))]
}

function withoutTrailingZeros(segments: readonly string[]): readonly string[] {
  const last = segments.findLastIndex((segment) => !/^0+$/.test(segment))
  return segments.slice(0, last + 1)
}

function compareSegments(left: string, right: string): number {
  const [isLeft, isRight] = [isNumber(left), isNumber(right)]
  if (isLeft !== isRight) return isLeft ? 1 : -1
  return isLeft ? compareDigits(left, right) : compareText(left, right)
}

function isNumber(segment: string): boolean {
  return segment >= '0' && segment < ':'
}

function compareText(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1
}
