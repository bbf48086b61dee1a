import type { Database, DatabaseTransaction } from '../database/index.ts'
import type { Identity } from '../identity/index.ts'
import type { ExceptionChange } from './types.ts'

/** What a change of an exception sets going; the functions are other subjects', passed in by `compose.ts`. */
export interface ExceptionEffects {
  readonly database: Database
  readonly identity: Identity
  /** Has a digest judged again, in the transaction of the change. */
  requestJudgement(transaction: DatabaseTransaction, digest: string, now: number): Promise<void>
  /** Has every image judged again, in the transaction of the change. */
  requestJudgementOfAll(transaction: DatabaseTransaction, now: number): Promise<void>
  /** Tells others, in the transaction of the change. */
  changed(transaction: DatabaseTransaction, change: ExceptionChange): Promise<void>
}

export interface ExceptionParts extends ExceptionEffects {
  /** The longest time that an exception may be asked for. */
  readonly maximumDays: number
  /** New work was committed. */
  wake(): void
}
