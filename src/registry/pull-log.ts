import type { Database } from '../database/index.ts'
import type { Log } from '../kernel/log.ts'
import { markPulled } from './store.ts'

const flushEveryMs = 5_000
const maximumHeld = 10_000

/** Remembers when manifests were pulled and writes it down now and then, so that a pull costs no write. */
export class PullLog {
  readonly #database: Database
  readonly #log: Log
  readonly #pulls = new Map<string, { repositoryId: string; digest: string; at: number }>()
  readonly #timer: NodeJS.Timeout

  constructor(database: Database, log: Log) {
    this.#database = database
    this.#log = log
    this.#timer = setInterval(() => void this.flush(), flushEveryMs).unref()
  }

  note(repositoryId: string, digest: string, at: number): void {
    const key = `${repositoryId} ${digest}`
    if (this.#pulls.size < maximumHeld || this.#pulls.has(key))
      this.#pulls.set(key, { repositoryId, digest, at })
  }

  /** Writes what is held. An error is logged: a missed time only makes retention keep a little less. */
  async flush(): Promise<void> {
    if (this.#pulls.size === 0) return
    const pulls = [...this.#pulls.values()]
    this.#pulls.clear()
    try {
      await this.#database.transaction().execute((transaction) => markPulled(transaction, pulls))
    } catch (error) {
      this.#log.warn({ err: error }, 'times of pulls could not be written')
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }
}
