import { compareDigits } from './compare-deb.ts'

/** Suffixes below a plain version, the plain version itself, and those above it, in their order. */
const suffixes = ['alpha', 'beta', 'pre', 'rc', '', 'cvs', 'svn', 'git', 'hg', 'p'] as const

const grammar =
  /^(\d+(?:\.\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)\d*)*)(?:~[0-9a-f]+)?(?:-r(\d+))?$/

/**
 * Compares Alpine versions (apk-tools' package version format): digits, a letter, suffixes, `-r` revision.
 * What does not follow the format sorts below what does, and by its text.
 */
export function compareApk(left: string, right: string): number {
  const [a, b] = [grammar.exec(left), grammar.exec(right)]
  if (!a || !b) return a ? 1 : b ? -1 : compareText(left, right)
  return (
    compareNumbers(a[1] as string, b[1] as string) ||
    compareText(a[2] as string, b[2] as string) ||
    compareSuffixes(a[3] as string, b[3] as string) ||
    compareDigits(a[4] ?? '0', b[4] ?? '0')
  )
}

/** The first number is one; in later ones a leading zero makes them fractions, compared as text. */
function compareNumbers(left: string, right: string): number {
  const [a, b] = [left.split('.'), right.split('.')]
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [x, y] = [a[index], b[index]]
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1
    const isText = index > 0 && (x.startsWith('0') || y.startsWith('0'))
    const difference = isText ? compareText(x, y) : compareDigits(x, y)
    if (difference !== 0) return difference
  }
  return 0
}

function compareSuffixes(left: string, right: string): number {
  const [a, b] = [left.split('_').slice(1), right.split('_').slice(1)]
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const [x, y] = [readSuffix(a[index]), readSuffix(b[index])]
    const difference = x.rank - y.rank || compareDigits(x.number, y.number)
    if (difference !== 0) return Math.sign(difference)
  }
  return 0
}

function readSuffix(text: string | undefined): { rank: number; number: string } {
  const match = /^([a-z]*)(\d*)$/.exec(text ?? '')
  return { rank: suffixes.indexOf((match?.[1] ?? '') as ''), number: match?.[2] || '0' }
}

function compareText(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1
}
