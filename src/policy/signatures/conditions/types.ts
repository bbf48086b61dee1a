/** What a condition can speak of. */
export interface ConditionVariables {
  /** JSON of the attestation, once its signature is known to be good. */
  readonly predicate: unknown
  /** Name of the signer that made it. */
  readonly signer: string
  /** The predicate type. */
  readonly claim: string
  /** Digest of what it is about. */
  readonly subject: string
  /** Milliseconds since the epoch; a timestamp in the expression. */
  readonly now: number
}

/** One condition with what it is evaluated on. */
export interface ConditionRequest {
  /** CEL (Common Expression Language), up to `maximumExpressionLength` characters. */
  readonly expression: string
  readonly variables: ConditionVariables
}

/** Whether a condition holds; text says why it could not be told, which is never as good as true. */
export type ConditionResult = boolean | string

export const maximumExpressionLength = 2_000
/** Of the JSON of a predicate. */
export const maximumPredicateLength = 4 * 1024 * 1024
