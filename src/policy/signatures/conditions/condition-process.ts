import { celEnv, celFunc, celType, CelScalar, isCelError, parse, plan, type CelInput } from '@bufbuild/cel'
import { strings } from '@bufbuild/cel/ext'
import { explain, notBoolean } from './explain.ts'
import { findMistake } from './find-mistake.ts'
import type { ConditionResult, ProcessAnswer, ProcessQuestion } from './types.ts'

/*
 * Evaluates one expression a message, in a process of its own: an expression without an end is stopped by ending the
 * process, and one that needs much memory takes no other down. A thread would not do. Of some builtins, such as the
 * parser of JSON, the engine gets no way out when the memory of a thread is used up, and ends the whole server.
 */

const { BYTES, STRING } = CelScalar
const environment = celEnv({ funcs: [...strings, ...withoutBytes()] })
const toTimestamp = plan(environment, parse('timestamp(text)'))
/** Many conditions ask about one predicate, one after the other. */
let last: { readonly digest: string; readonly value: CelInput } | undefined

process.on('message', ({ id, expression, variables }: ProcessQuestion) => {
  process.send?.({ id, result: answer(expression, variables) } satisfies ProcessAnswer)
})
// Without the process that asked nobody needs an answer.
process.once('disconnect', () => process.exit(0))
process.send?.({ id: 0, result: true } satisfies ProcessAnswer)

function answer(expression: string, variables: ProcessQuestion['variables']): ConditionResult {
  try {
    return variables ? evaluate(expression, variables) : check(expression)
  } catch (error) {
    return explain((error as Error).message.replace('<input>:', 'line '))
  }
}

function evaluate(
  expression: string,
  { predicate, now, ...texts }: NonNullable<ProcessQuestion['variables']>,
): ConditionResult {
  const value = plan(environment, parse(expression))(bind(read(predicate), now, texts))
  if (isCelError(value)) return explain(value.message)
  return typeof value === 'boolean' ? value : notBoolean(celType(value).name)
}

/** True, or what is wrong with it: by itself, and when it is evaluated on nothing, where it can only miss fields. */
function check(expression: string): ConditionResult {
  const parsed = parse(expression)
  const mistake = findMistake(expression, parsed, environment.funcs)
  if (mistake !== undefined) return mistake
  const texts = { signer: '', claim: '', subject: '' }
  const value = plan(environment, parsed)(bind(new Map(), 0, texts))
  if (isCelError(value)) return value.message.startsWith('error parsing regexp') ? value.message : true
  return typeof value === 'boolean' || notBoolean(celType(value).name)
}

/** Without a prototype: the library looks names up as properties, and would find those that every object has. */
function bind(predicate: CelInput, now: number, texts: Record<string, string>): Record<string, CelInput> {
  const text = new Date(now).toISOString()
  const bindings = { ...texts, predicate, now: toTimestamp({ text }) as CelInput }
  return Object.assign(Object.create(null) as Record<string, CelInput>, bindings)
}

function read({ json, digest }: NonNullable<ProcessQuestion['variables']>['predicate']): CelInput {
  if (json !== undefined) last = { digest, value: toCel(JSON.parse(json)) }
  if (last?.digest !== digest) throw new Error('the attestation did not arrive')
  return last.value
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

/** JSON has no bytes, and what is made of them is not in the heap, where the limit on memory holds. */
function withoutBytes() {
  const refuse = (): never => {
    throw new Error('conditions cannot make bytes')
  }
  return [celFunc('bytes', [STRING], BYTES, refuse), celFunc('_+_', [BYTES, BYTES], BYTES, refuse)]
}
