/** Conditions on what attestations say, in CEL. */
import { createHash } from 'node:crypto'
import { PolicyFailure } from '../../failures.ts'
import { ConditionEvaluator } from './evaluator.ts'
import {
  maximumExpressionLength,
  maximumPredicateLength,
  type ConditionRequest,
  type ConditionResult,
} from './types.ts'

export type { ConditionRequest, ConditionResult, ConditionVariables } from './types.ts'

const evaluator = new ConditionEvaluator()
const maximumRemembered = 5_000
const remembered = new Map<string, boolean>()

/** In their order: whether each condition holds. Text says why it could not be told. */
export async function evaluateConditions(requests: readonly ConditionRequest[]): Promise<ConditionResult[]> {
  return Promise.all(requests.map(evaluateOne))
}

async function evaluateOne({ expression, variables }: ConditionRequest): Promise<ConditionResult> {
  if (expression.length > maximumExpressionLength) return tooLong(expression)
  const { now, ...others } = variables
  const predicate = JSON.stringify(variables.predicate ?? null)
  if (predicate.length > maximumPredicateLength) {
    return `the attestation has ${predicate.length} characters, more than ${maximumPredicateLength}`
  }
  const key = keyOf(expression, { ...others, predicate })
  const known = remembered.get(key)
  if (known !== undefined) return known
  const result = await evaluator.evaluate({
    expression,
    variables: { ...others, predicate, now: new Date(now).toISOString() },
  })
  // Whatever mentions the time has another answer later, and what could not be told may be told then.
  if (typeof result === 'boolean' && !/\bnow\b/.test(expression)) remember(key, result)
  return result
}

/** Throws POLICY_INVALID that says where an expression is wrong. */
export async function checkCondition(expression: string): Promise<void> {
  const problem =
    expression.length > maximumExpressionLength
      ? tooLong(expression)
      : await evaluator.evaluate({ expression })
  if (problem === true) return
  throw new PolicyFailure(
    'POLICY_INVALID',
    `the condition ${JSON.stringify(expression)} is not valid: ${problem}`,
  )
}

function tooLong(expression: string): string {
  return `it has ${expression.length} characters, more than ${maximumExpressionLength}`
}

function keyOf(expression: string, variables: object): string {
  return createHash('sha256')
    .update(JSON.stringify([expression, variables]))
    .digest('base64')
}

function remember(key: string, result: boolean): void {
  remembered.set(key, result)
  if (remembered.size > maximumRemembered) remembered.delete(remembered.keys().next().value as string)
}
