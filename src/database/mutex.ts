/** Gives one holder at a time its turn, in the order in which they asked. */
export interface Mutex {
  /** Resolves with the function that ends the turn. */
  acquire(): Promise<() => void>
}

export function createMutex(): Mutex {
  let last: Promise<void> = Promise.resolve()
  return {
    async acquire() {
      const before = last
      const { promise, resolve } = Promise.withResolvers<void>()
      last = promise
      await before
      return resolve
    },
  }
}
