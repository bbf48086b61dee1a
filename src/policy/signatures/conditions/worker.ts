import { parentPort } from 'node:worker_threads'
import { isCelError, parse, run, type CelInput } from '@bufbuild/cel'
import { strings } from '@bufbuild/cel/ext'
import type { ConditionResult } from './types.ts'

/*
 * Evaluates one expression a message. It runs in a thread of its own, so that an expression without an end is stopped
 * by ending the thread, and one that needs much memory takes no other down.
 */

/** A condition whose predicate is still text: parsing it is this thread's work too. */
export interface WorkerRequest {
  readonly id: number
  readonly expression: string
  /** Absent: only look whether the expression can be evaluated at all. */
  readonly variables?: {
    readonly predicate: string
    readonly signer: string
    readonly claim: string
    readonly subject: string
    /** ISO 8601. */
    readonly now: string
  }
}

export interface WorkerAnswer {
  readonly id: number
  readonly result: ConditionResult
}

parentPort?.on('message', (request: WorkerRequest) => {
  const result = request.variables
    ? evaluate(request.expression, request.variables)
    : check(request.expression)
  parentPort?.postMessage({ id: request.id, result } satisfies WorkerAnswer)
})

parentPort?.postMessage({ id: 0, result: true } satisfies WorkerAnswer)

function evaluate(
  expression: string,
  { predicate, now, ...texts }: NonNullable<WorkerRequest['variables']>,
): ConditionResult {
  const bindings = {
    ...texts,
    predicate: toCel(JSON.parse(predicate)),
    now: run(`timestamp('${now}')`) as CelInput,
  }
  const value = run(expression, bindings, { funcs: strings })
  if (isCelError(value)) return explain(value.message)
  return typeof value === 'boolean' ? value : `it gives ${typeName(value)}, not true or false`
}

/** True, or what is wrong with it. Evaluated on nothing, an expression can only miss fields. */
function check(expression: string): ConditionResult {
  try {
    parse(expression)
  } catch (error) {
    return (error as Error).message.replace('<input>:', 'line ')
  }
  const bindings = {
    predicate: new Map<string, CelInput>(),
    signer: '',
    claim: '',
    subject: '',
    now: run(`timestamp('2026-01-01T00:00:00Z')`) as CelInput,
  }
  const value = run(expression, bindings, { funcs: strings })
  if (isCelError(value)) return isMistake(value.message) ? explain(value.message) : true
  return typeof value === 'boolean' || `it gives ${typeName(value)}, not true or false`
}

function isMistake(message: string): boolean {
  return /^unbound function|^unresolved attribute/.test(message)
}

function explain(message: string): string {
  if (message.startsWith('unresolved attribute')) {
    return 'it names a variable that there is not; there are predicate, signer, claim, subject and now'
  }
  if (message.startsWith('field not found')) return `${message}; ask with has(…) whether it is there`
  return message.slice(0, 500)
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'bigint' || typeof value === 'number') return 'a number'
  return typeof value === 'string' ? 'text' : 'a value of another type'
}

/** JSON numbers are doubles to CEL; whole ones are meant as integers. Maps carry nothing but what JSON said. */
function toCel(value: unknown): CelInput {
  if (Array.isArray(value)) return value.map(toCel)
  if (value !== null && typeof value === 'object') {
    return new Map(Object.entries(value).map(([key, inner]) => [key, toCel(inner)]))
  }
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  return value as string | number | boolean | null
}
