/** What decides whether an outcome counts, as a rule gives it, as it is stored, and as it goes over the wire. */
export interface Countable {
  readonly outcome: string
  /** `audit` or `warn`: it is only written down, or shown. */
  readonly mode?: string | undefined
  /** Two people let it through for a time. */
  readonly exception?: unknown
}

/** Whether an outcome keeps an image from being cleared. */
export function countsAgainst({ outcome, mode, exception }: Countable): boolean {
  return outcome !== 'pass' && mode === undefined && exception === undefined
}
