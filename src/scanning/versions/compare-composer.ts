import { compareDigits } from './compare-deb.ts'

const modifier = String.raw`[._-]?(?:(stable|beta|b|rc|alpha|a|patch|pl|p)([.-]?\d+(?:[.-]\d+)*)?)?([.-]?dev)?$`
const classical = new RegExp(String.raw`^v?(\d{1,5}(?:\.\d+){0,3})${modifier}`, 'i')
const dated = new RegExp(String.raw`^v?(\d{4}(?:[.:-]?\d{2}){1,6}(?:[.:-]?\d{1,3}){0,2})${modifier}`, 'i')
/** A branch that is named after versions: above all of them. */
const numberedBranch = /^v?(\d+(?:\.(?:\d+|[x*])){0,3})[.-]?dev$/i
const branchNumber = '9999999'

const stabilities: Readonly<Record<string, number>> = { alpha: 1, a: 1, beta: 2, b: 2, rc: 3 }
const patch = 5
const release = 4
const dev = 0

const maximumLength = 200

/** Numbers, how finished it is, the numbers of that, and whether it is a branch on the way there. */
interface ComposerVersion {
  readonly numbers: readonly string[]
  readonly stability: number
  readonly stabilityNumbers: readonly string[]
  readonly isDev: boolean
}

/**
 * Compares Composer's versions (Composer, "Versions and constraints"): dev, alpha, beta, RC, none, patch. Branches
 * and what is no version sort below, and by their text.
 */
export function compareComposer(left: string, right: string): number {
  const [a, b] = [readComposer(left), readComposer(right)]
  if (!a || !b) return a ? 1 : b ? -1 : compareText(left, right)
  return (
    compareNumbers(a.numbers, b.numbers) ||
    compareStability(a, b) ||
    compareNumbers(a.stabilityNumbers, b.stabilityNumbers) ||
    Number(b.isDev) - Number(a.isDev)
  )
}

function readComposer(text: string): ComposerVersion | undefined {
  if (text.length > maximumLength) return undefined
  const version = text
    .trim()
    .replace(/@(?:stable|rc|beta|alpha|dev)$/i, '')
    .replace(/^([^,\s+]+)\+\S+$/, '$1')
  const match = classical.exec(version)
  if (match) return assemble(padded((match[1] as string).split('.'), '0'), match)
  const date = dated.exec(version)
  if (date) return assemble((date[1] as string).split(/\D/), date)
  const branch = numberedBranch.exec(version)?.[1]
  if (branch === undefined) return undefined
  const numbers = branch.split('.').map((part) => (/^\d/.test(part) ? part : branchNumber))
  return { numbers: padded(numbers, branchNumber), stability: release, stabilityNumbers: [], isDev: true }
}

function assemble(numbers: readonly string[], match: RegExpExecArray): ComposerVersion {
  const word = (match[2] ?? '').toLowerCase()
  const isRelease = word === '' || word === 'stable'
  return {
    numbers,
    stability: isRelease ? release : (stabilities[word] ?? patch),
    stabilityNumbers: isRelease ? [] : ((match[3] ?? '').match(/\d+/g) ?? []),
    isDev: word !== 'stable' && match[4] !== undefined,
  }
}

function padded(numbers: readonly string[], filler: string): readonly string[] {
  return Array.from({ length: 4 }, (_, index) => numbers[index] ?? filler)
}

/** A development version of a release stands where its stability would: below alpha. */
function compareStability(left: ComposerVersion, right: ComposerVersion): number {
  return Math.sign(stabilityOf(left) - stabilityOf(right))
}

function stabilityOf({ stability, isDev }: ComposerVersion): number {
  return isDev && stability === release ? dev : stability
}

function compareNumbers(left: readonly string[], right: readonly string[]): number {
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const [a, b] = [left[index], right[index]]
    if (a === undefined || b === undefined) return a === undefined ? -1 : 1
    const difference = compareDigits(a, b)
    if (difference !== 0) return difference
  }
  return 0
}

function compareText(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1
}
