import { compareDigits } from './compare-deb.ts'

/** A version as Maven takes it apart: numbers, words, and lists that follow a hyphen or a change between both. */
type Item = MavenNumber | MavenWord | Item[]

interface MavenNumber {
  readonly digits: string
}

interface MavenWord {
  readonly word: string
}

/** Words that have a place of their own, in their order; the empty one is a release. All others come behind. */
const qualifiers = ['alpha', 'beta', 'milestone', 'rc', 'snapshot', '', 'sp']
const aliases: Readonly<Record<string, string>> = { ga: '', final: '', release: '', cr: 'rc' }
/** Letters that stand for a word when a digit follows. */
const shortForms: Readonly<Record<string, string>> = { a: 'alpha', b: 'beta', m: 'milestone' }

/** Every hyphen opens a list in a list: what is longer is not read as a version. */
const maximumLength = 200

/**
 * Compares Maven versions (Maven's "Version Order Specification", as its ComparableVersion does). Everything is a
 * version there; only what is far too long sorts below the others, by its text.
 */
export function compareMaven(left: string, right: string): number {
  const [isLeft, isRight] = [left.length <= maximumLength, right.length <= maximumLength]
  if (!isLeft || !isRight) return isLeft ? 1 : isRight ? -1 : compareText(left, right)
  return compareLists(parseMaven(left), parseMaven(right))
}

function parseMaven(version: string): Item[] {
  const root: Item[] = []
  const lists = [root]
  const add = (item: Item): void => void (lists.at(-1) as Item[]).push(item)
  const open = (): void => {
    const list: Item[] = []
    add(list)
    lists.push(list)
  }
  // A word after a dot is taken as one after a hyphen.
  const openForWord = (): void => {
    if ((lists.at(-1) as Item[]).length > 0) open()
  }
  const tokens = version.toLowerCase().match(/[0-9]+|[.-]|[^0-9.-]+/g) ?? []
  for (const [index, token] of tokens.entries()) {
    const next = tokens[index + 1]
    if (token === '.' || token === '-') {
      // An empty place between separators is a zero.
      if (isSeparator(tokens[index - 1])) add({ digits: '' })
      if (token === '-') open()
    } else if (isDigits(token)) {
      add(readNumber(token))
      if (next !== undefined && !isSeparator(next)) open()
    } else {
      if (isDigits(next) || next === undefined) openForWord()
      add(readWord(token, isDigits(next)))
      if (isDigits(next)) open()
    }
  }
  for (const list of lists.toReversed()) dropTrailingNothing(list)
  return root
}

function readNumber(token: string): MavenNumber {
  return { digits: token.replace(/^0+/, '') }
}

function readWord(token: string, isBeforeDigit: boolean): MavenWord {
  const full = isBeforeDigit && Object.hasOwn(shortForms, token) ? (shortForms[token] as string) : token
  return { word: Object.hasOwn(aliases, full) ? (aliases[full] as string) : full }
}

/** `1.0-0` and `1.ga` are `1`: from the end, what counts as nothing goes, in front of lists too. */
function dropTrailingNothing(list: Item[]): void {
  for (let index = list.length - 1; index >= 0; index--) {
    const item = list[index] as Item
    if (isNothing(item)) list.splice(index, 1)
    else if (!Array.isArray(item)) return
  }
}

function isNothing(item: Item): boolean {
  if (Array.isArray(item)) return item.length === 0
  return 'digits' in item ? item.digits === '' : item.word === ''
}

function compareLists(left: readonly Item[], right: readonly Item[]): number {
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const [a, b] = [left[index], right[index]]
    const difference = a === undefined ? -compareItem(b as Item, undefined) : compareItem(a, b)
    if (difference !== 0) return difference
  }
  return 0
}

/** Numbers are above lists, lists above words; against nothing, an item is as far up or down as it says itself. */
function compareItem(item: Item, other: Item | undefined): number {
  if (other === undefined) return compareToNothing(item)
  const difference = kindOf(item) - kindOf(other)
  if (difference !== 0) return Math.sign(difference)
  if (Array.isArray(item)) return compareLists(item, other as Item[])
  if ('digits' in item) return compareDigits(item.digits, (other as MavenNumber).digits)
  return compareWords(item.word, (other as MavenWord).word)
}

function compareToNothing(item: Item): number {
  if (Array.isArray(item)) return compareLists(item, [])
  return 'digits' in item ? Math.sign(item.digits.length) : compareWords(item.word, '')
}

function kindOf(item: Item): number {
  if (Array.isArray(item)) return 1
  return 'digits' in item ? 2 : 0
}

function compareWords(left: string, right: string): number {
  const [a, b] = [qualifiers.indexOf(left), qualifiers.indexOf(right)]
  if (a >= 0 || b >= 0) return Math.sign((a < 0 ? qualifiers.length : a) - (b < 0 ? qualifiers.length : b))
  return compareText(left, right)
}

function isDigits(token: string | undefined): boolean {
  return token !== undefined && token >= '0' && token < ':'
}

function isSeparator(token: string | undefined): boolean {
  return token === undefined || token === '.' || token === '-'
}

function compareText(left: string, right: string): number {
  return left === right ? 0 : left < right ? -1 : 1
}
