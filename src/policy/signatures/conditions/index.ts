/** Conditions on what attestations say, in CEL. */
import { createHash } from 'node:crypto'
import { PolicyFailure } from '../../failures.ts'
import { ConditionEvaluator } from './evaluator.ts'
import { textOfPredicate } from './predicate-text.ts'
import {
  maximumExpressionLength,
  type ConditionRequest,
  type ConditionResult,
  type Evaluation,
} from './types.ts'

export type { ConditionRequest, ConditionResult, ConditionVariables } from './types.ts'

const evaluator = new ConditionEvaluator()
const maximumRemembered = 5_000
const remembered = new Map<string, boolean>()
/** Conditions asked together for which the process is ended; those behind them are not tried any more. */
const maximumEnded = 4

/**
 * In their order: whether each condition holds. Text says why it could not be told. One after the other, so that the
 * many conditions of one image do not stand in front of the few of the next.
 */
export async function evaluateConditions(requests: readonly ConditionRequest[]): Promise<ConditionResult[]> {
  const results: ConditionResult[] = []
  let ended = 0
  for (const request of requests) {
    const { result, hasEndedProcess } =
      ended < maximumEnded ? await evaluateOne(request) : { result: 'those before it took too long' }
    if (hasEndedProcess) ended++
    results.push(result)
  }
  return results
}

async function evaluateOne({ expression, variables }: ConditionRequest): Promise<Evaluation> {
  if (expression.length > maximumExpressionLength) return { result: tooLong(expression) }
  const { signer, claim, subject, now } = variables
  const predicate = textOfPredicate(variables.predicate)
  if (typeof predicate === 'string') return { result: predicate }
  const key = digestOf([expression, predicate.digest, signer, claim, subject])
  const known = remembered.get(key)
  if (known !== undefined) return { result: known }
  const evaluation = await evaluator.evaluate({
    expression,
    variables: { predicate, signer, claim, subject, now },
  })
  // Whatever mentions the time has another answer later, and what could not be told may be told then.
  if (typeof evaluation.result === 'boolean' && !/\bnow\b/.test(expression)) {
    remember(key, evaluation.result)
  }
  return evaluation
}

/** Throws POLICY_INVALID that says where an expression is wrong. */
export async function checkCondition(expression: string): Promise<void> {
  const problem =
    expression.length > maximumExpressionLength
      ? tooLong(expression)
      : (await evaluator.evaluate({ expression })).result
  if (problem === true) return
  throw new PolicyFailure(
    'POLICY_INVALID',
    `the condition ${JSON.stringify(expression)} is not valid: ${problem}`,
  )
}

function tooLong(expression: string): string {
  return `it has ${expression.length} characters, more than ${maximumExpressionLength}`
}

function digestOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64')
}

function remember(key: string, result: boolean): void {
  remembered.set(key, result)
  if (remembered.size > maximumRemembered) remembered.delete(remembered.keys().next().value as string)
}
