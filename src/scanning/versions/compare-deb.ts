/**
 * Compares Debian versions (deb-version(7)): epoch, upstream version and revision, each as runs of
 * non-digits and digits in turn; `~` sorts before the end, letters before everything else.
 */
export function compareDeb(left: string, right: string): number {
  const [leftParts, rightParts] = [splitDeb(left), splitDeb(right)]
  return (
    leftParts.epoch - rightParts.epoch ||
    compareRuns(leftParts.upstream, rightParts.upstream) ||
    compareRuns(leftParts.revision, rightParts.revision)
  )
}

function splitDeb(version: string): { epoch: number; upstream: string; revision: string } {
  const colon = version.indexOf(':')
  const rest = version.slice(colon + 1)
  const hyphen = rest.lastIndexOf('-')
  return {
    epoch: colon > 0 ? Number(version.slice(0, colon)) || 0 : 0,
    upstream: hyphen < 0 ? rest : rest.slice(0, hyphen),
    revision: hyphen < 0 ? '0' : rest.slice(hyphen + 1),
  }
}

function compareRuns(left: string, right: string): number {
  let [at, other] = [0, 0]
  while (at < left.length || other < right.length) {
    while ((at < left.length && !isDigit(left[at])) || (other < right.length && !isDigit(right[other]))) {
      const difference = weightOf(left[at]) - weightOf(right[other])
      if (difference !== 0) return Math.sign(difference)
      at++
      other++
    }
    const [leftNumber, rightNumber] = [digitsAt(left, at), digitsAt(right, other)]
    const difference = compareDigits(leftNumber, rightNumber)
    if (difference !== 0) return difference
    at += leftNumber.length
    other += rightNumber.length
  }
  return 0
}

function weightOf(character: string | undefined): number {
  if (character === undefined || isDigit(character)) return 0
  if (character === '~') return -1
  return /[A-Za-z]/.test(character) ? character.charCodeAt(0) : character.charCodeAt(0) + 256
}

function digitsAt(text: string, at: number): string {
  let end = at
  while (isDigit(text[end])) end++
  return text.slice(at, end)
}

/** Numbers of any length: without leading zeros the longer one is larger. */
export function compareDigits(left: string, right: string): number {
  const [a, b] = [left.replace(/^0+/, ''), right.replace(/^0+/, '')]
  if (a.length !== b.length) return a.length < b.length ? -1 : 1
  return a === b ? 0 : a < b ? -1 : 1
}

function isDigit(character: string | undefined): boolean {
  return character !== undefined && character >= '0' && character <= '9'
}
