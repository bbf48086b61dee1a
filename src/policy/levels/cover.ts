/** Whether every repository name that fits `inner` fits `outer` too. `false` when that cannot be told. */
export function coversPattern(outer: string, inner: string): boolean {
  return walk(outer.split('/'), inner.split('/'), '**', (want, have) =>
    // The inner pattern is read as if it were a name: only a wildcard takes what a wildcard stands for.
    have === '**' ? false : walk(Array.from(want), Array.from(have), '*', (left, right) => left === right),
  )
}

function walk(
  pattern: readonly string[],
  items: readonly string[],
  wildcard: string,
  matchesOne: (want: string, have: string) => boolean,
): boolean {
  // `reached[i]`: the pattern so far fits the first i items.
  let reached = [true, ...items.map(() => false)]
  for (const want of pattern) {
    const next = items.map(() => false)
    next.unshift(want === wildcard && reached[0] === true)
    for (const [index, have] of items.entries()) {
      next[index + 1] =
        want === wildcard
          ? reached[index + 1] === true || next[index] === true
          : reached[index] === true && matchesOne(want, have)
    }
    reached = next
  }
  return reached.at(-1) === true
}

/** Whether some repository name fits both patterns. */
export function patternsMeet(left: string, right: string): boolean {
  return meets(left.split('/'), right.split('/'), '**', (one, other) =>
    meets(Array.from(one), Array.from(other), '*', (a, b) => a === b),
  )
}

function meets(
  left: readonly string[],
  right: readonly string[],
  wildcard: string,
  meetsOne: (one: string, other: string) => boolean,
): boolean {
  // `row[j]`: the items of the left so far and the first j of the right can stand for the same.
  const isOpen = (item: string): boolean => item === wildcard
  let row = [true]
  for (const [index, other] of right.entries()) row.push(row[index] === true && isOpen(other))
  for (const one of left) {
    const next = [row[0] === true && isOpen(one)]
    for (const [index, other] of right.entries()) {
      next.push(
        isOpen(one) || isOpen(other)
          ? row[index + 1] === true || next[index] === true
          : row[index] === true && meetsOne(one, other),
      )
    }
    row = next
  }
  return row.at(-1) === true
}
