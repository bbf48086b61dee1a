import { compareDigits } from './compare-deb.ts'

/** Suffixes below a plain version, and those above it, each in their order. */
const suffixesBelow = ['alpha', 'beta', 'pre', 'rc']
const suffixesAbove = ['cvs', 'svn', 'git', 'hg', 'p']
const suffixes: readonly string[] = [...suffixesBelow, ...suffixesAbove]

/**
 * What can come next in a version, in the order that it has where two versions were the same so far: a version
 * that ends is above one that goes on with a suffix such as `_rc`, and below one that goes on with anything else.
 */
const kinds = [
  'below',
  'invalid',
  'end',
  'revision',
  'hash',
  'suffixNumber',
  'above',
  'letter',
  'number',
] as const

interface Part {
  readonly kind: (typeof kinds)[number]
  readonly text: string
}

/** As much of a version as follows the format: digits, a letter, suffixes, a commit, `-r` revision. */
const grammar =
  /^\d+((?:\.\d+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)(?![a-z])\d*)*)(?:~([0-9a-f]+))?(?:-r(\d+))?/

/**
 * Compares Alpine versions as apk does (apk-package(5), "PACKAGE INFO METADATA", version): part by part. What does not
 * follow the format counts as far as it does, and sorts below a version that ends there.
 */
export function compareApk(left: string, right: string): number {
  const [a, b] = [splitApk(left), splitApk(right)]
  for (const [index, part] of a.entries()) {
    const other = b[index]
    // Both ended at the same part before.
    if (other === undefined) return 0
    const difference = compareParts(part, other, index === 0)
    if (difference !== 0) return difference
  }
  return 0
}

function splitApk(version: string): readonly Part[] {
  const match = grammar.exec(version)
  if (!match) return [{ kind: 'invalid', text: '' }]
  const [whole, , letter = '', suffixText = '', hash, revision] = match
  const numbers = /^[\d.]+/.exec(whole)?.[0] ?? ''
  return [
    ...numbers.split('.').map((text): Part => ({ kind: 'number', text })),
    ...(letter === '' ? [] : [{ kind: 'letter', text: letter } as const]),
    ...suffixText.split('_').slice(1).flatMap(splitSuffix),
    ...(hash === undefined ? [] : [{ kind: 'hash', text: hash } as const]),
    ...(revision === undefined ? [] : [{ kind: 'revision', text: revision } as const]),
    { kind: whole.length === version.length ? 'end' : 'invalid', text: '' },
  ]
}

/** `rc1` is a suffix and its number, which is a part of its own. */
function splitSuffix(text: string): readonly Part[] {
  const [, name = '', number = ''] = /^([a-z]+)(\d*)$/.exec(text) ?? []
  const suffix: Part = { kind: suffixesBelow.includes(name) ? 'below' : 'above', text: name }
  return number === '' ? [suffix] : [suffix, { kind: 'suffixNumber', text: number }]
}

function compareParts(left: Part, right: Part, isFirst: boolean): number {
  if (left.kind !== right.kind) return Math.sign(kinds.indexOf(left.kind) - kinds.indexOf(right.kind))
  const [a, b] = [left.text, right.text]
  switch (left.kind) {
    case 'below':
    case 'above':
      return Math.sign(suffixes.indexOf(a) - suffixes.indexOf(b))
    case 'number':
      // Behind the first, a leading zero makes numbers fractions, compared as text.
      return !isFirst && (a.startsWith('0') || b.startsWith('0')) ? compareText(a, b) : compareDigits(a, b)
    case 'suffixNumber':
    case 'revision':
      return compareDigits(a, b)
    default:
      return compareText(a, b)
  }
}

function compareText(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1
}
