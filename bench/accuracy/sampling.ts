import { seededRandom } from '../../test/fixtures/seeded-random.ts'

/** In an order that is the same in each run (Fisher–Yates). */
export function shuffled<Item>(items: readonly Item[]): Item[] {
  const random = seededRandom(20261125)
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
