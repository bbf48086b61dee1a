/** Why one layer says nothing; thrown by the steps of verification, and turned into a `Rejection` by the format. */
export class Refusal extends Error {
  readonly status: 'untrusted' | 'malformed'

  constructor(status: Refusal['status'], message: string, cause?: unknown) {
    super(message, { cause })
    this.status = status
  }
}

export function malformed(why: string, cause?: unknown): Refusal {
  return new Refusal('malformed', why, cause)
}

export function untrusted(why: string, cause?: unknown): Refusal {
  return new Refusal('untrusted', why, cause)
}
