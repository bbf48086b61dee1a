/** What a condition can speak of. */
export interface ConditionVariables {
  /** JSON of the attestation, once its signature is known to be good. Whole numbers in it are integers to CEL. */
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

/** An answer, and whether the process that evaluates had to be ended for it. */
export interface Evaluation {
  readonly result: ConditionResult
  readonly hasEndedProcess?: true
}

/** JSON of a predicate with its digest, so that nothing looks at the same text twice. */
export interface PredicateText {
  readonly json: string
  readonly digest: string
}

interface Question<Predicate> {
  readonly expression: string
  /** Absent: only look whether the expression can be evaluated at all. */
  readonly variables?: Omit<ConditionVariables, 'predicate'> & { readonly predicate: Predicate }
}
export type ConditionQuestion = Question<PredicateText>

/** A message to the process; without the JSON where it is the predicate of the question before. */
export type ProcessQuestion = Question<Pick<PredicateText, 'digest'> & Partial<PredicateText>> & {
  readonly id: number
}
export interface ProcessAnswer {
  readonly id: number
  readonly result: ConditionResult
}

/** The names that an expression can use. */
export const variableNames = ['predicate', 'signer', 'claim', 'subject', 'now'] as const

export const maximumExpressionLength = 2_000
/** Of the JSON of a predicate. */
export const maximumPredicateLength = 4 * 1024 * 1024
