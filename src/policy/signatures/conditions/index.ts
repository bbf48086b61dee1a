/** One condition with what it is evaluated on. */
export interface ConditionRequest {
  readonly expression: string
  readonly variables: {
    readonly predicate: unknown
    readonly signer: string
    readonly claim: string
    readonly subject: string
    readonly now: number
  }
}

/** In their order: whether each holds; text says why it could not be told. */
export async function evaluateConditions(
  requests: readonly ConditionRequest[],
): Promise<(boolean | string)[]> {
  return requests.map(() => 'conditions are not evaluated yet')
}
