/** Extra facts that only the edge uses when it turns a failure into an answer. */
export interface FailureOptions {
  readonly cause?: unknown
  /** Goes into `errors[].detail` (OCI) or the problem's extension members (RFC 9457). */
  readonly detail?: unknown
  /** Response headers that belong to this refusal, such as `www-authenticate` or `range`. */
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * An expected refusal: a code from a subject's `failures.ts` and a message a person can act on.
 * Only `http/render-failure.ts` turns it into an HTTP answer. Anything else thrown is our bug.
 */
export class Failure<Code extends string = string> extends Error {
  readonly code: Code
  readonly detail: unknown
  readonly headers: Readonly<Record<string, string>>

  constructor(code: Code, message: string, options: FailureOptions = {}) {
    super(message, { cause: options.cause })
    this.name = 'Failure'
    this.code = code
    this.detail = options.detail
    this.headers = options.headers ?? {}
  }
}

/** HTTP status of each failure code of one subject. */
export type FailureStatuses = Readonly<Record<string, number>>

/** Codes that the kernel's own parsers throw, with their HTTP status. */
export const kernelFailures = {
  /** distribution-spec, "Error Codes": code-2 and friends. */
  NAME_INVALID: 400,
  TAG_INVALID: 400,
  DIGEST_INVALID: 400,
  REQUEST_INVALID: 400,
} as const satisfies FailureStatuses

export class KernelFailure extends Failure<keyof typeof kernelFailures> {}
