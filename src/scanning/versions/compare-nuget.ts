import { compareDigits } from './compare-deb.ts'

const grammar = /^\s*v?(\d+(?:\.\d+){0,3})(?:-([0-9a-z-]+(?:\.[0-9a-z-]+)*))?(?:\+[0-9a-z.-]*)?\s*$/i
/** A label of digits is a number as far as 32 bits go; beyond that, NuGet takes it as text. */
const largestNumber = 2 ** 31 - 1

/**
 * Compares NuGet versions ("NuGet package versioning"): Semantic Versioning 2 with up to four numbers, of which
 * missing ones are zero, and without regard to case. What is no version sorts below, and by its text.
 */
export function compareNuget(left: string, right: string): number {
  const [a, b] = [grammar.exec(left), grammar.exec(right)]
  if (!a || !b) return a ? 1 : b ? -1 : compareText(left, right)
  return compareNumbers(a[1] as string, b[1] as string) || compareReleases(a[2], b[2])
}

function compareNumbers(left: string, right: string): number {
  const [a, b] = [left.split('.'), right.split('.')]
  for (let index = 0; index < 4; index++) {
    const difference = compareDigits(a[index] ?? '0', b[index] ?? '0')
    if (difference !== 0) return difference
  }
  return 0
}

/** semver.org, item 11: a version without labels is above one with; more labels are above fewer. */
function compareReleases(left: string | undefined, right: string | undefined): number {
  if (left === undefined || right === undefined) return left === right ? 0 : left === undefined ? 1 : -1
  const [a, b] = [left.split('.'), right.split('.')]
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [x, y] = [a[index], b[index]]
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1
    const difference = compareLabels(x, y)
    if (difference !== 0) return difference
  }
  return 0
}

function compareLabels(left: string, right: string): number {
  const [isLeft, isRight] = [isNumber(left), isNumber(right)]
  if (isLeft !== isRight) return isLeft ? -1 : 1
  return isLeft ? compareDigits(left, right) : compareText(left.toUpperCase(), right.toUpperCase())
}

function isNumber(label: string): boolean {
  return /^\d+$/.test(label) && Number(label) <= largestNumber
}

function compareText(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1
}
