/** In an order that is the same in each run (mulberry32, Fisher–Yates). */
export function shuffled<Item>(items: readonly Item[]): Item[] {
  const random = generator(20261125)
  const list = [...items]
  for (let index = list.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1))
    ;[list[index], list[other]] = [list[other] as Item, list[index] as Item]
  }
  return list
}

/** As many of them, by chance, or all. */
export function take<Item>(items: readonly Item[], count: number): readonly Item[] {
  return items.length <= count ? items : shuffled(items).slice(0, count)
}

function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
