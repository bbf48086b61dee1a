import type { celEnv, CelFunc, parse } from '@bufbuild/cel'
import { explainOverload, notBoolean, noVariable } from './explain.ts'
import { variableNames } from './types.ts'

type Functions = ReturnType<typeof celEnv>['funcs']
type Expression = ReturnType<typeof parse>['expr']
type Kind<Case> = Extract<Expression['exprKind'], { case: Case }>['value']

/** Names with their types; what is only known when an attestation is there is `dyn`. */
type Scope = ReadonlyMap<string, string>

const dynamic = 'dyn'
const variables: Scope = new Map(
  variableNames.map((name) => [
    name,
    name === 'predicate' ? dynamic : name === 'now' ? 'google.protobuf.Timestamp' : 'string',
  ]),
)
const typesByName = new Set(
  'bool bytes double int list map null_type string type uint google.protobuf.Timestamp google.protobuf.Duration'.split(
    ' ',
  ),
)
const constants: Readonly<Record<string, string>> = {
  boolValue: 'bool',
  bytesValue: 'bytes',
  doubleValue: 'double',
  int64Value: 'int',
  nullValue: 'null_type',
  stringValue: 'string',
  uint64Value: 'uint',
}
const logic = new Set(['_&&_', '_||_', '@not_strictly_false', '_?_:_'])

class Mistake extends Error {
  readonly at: bigint

  constructor(at: bigint, message: string) {
    super(message)
    this.at = at
  }
}

/**
 * What is wrong with an expression whatever an attestation says, and where: names that there are not, functions on
 * types that they are not for, a result that is not true or false. CEL evaluates only what it needs, and so would tell
 * of a misspelt name behind `&&` only when an image waits. Undefined: nothing was found.
 */
export function findMistake(
  text: string,
  parsed: ReturnType<typeof parse>,
  functions: Functions,
): string | undefined {
  try {
    const type = new Reader(functions).typeOf(parsed.expr, variables)
    return type === 'bool' || type === dynamic ? undefined : notBoolean(type)
  } catch (error) {
    if (!(error instanceof Mistake)) throw error
    const before = text.slice(0, parsed.sourceInfo?.positions[error.at.toString()] ?? 0).split('\n')
    return `line ${before.length}:${(before.at(-1)?.length ?? 0) + 1}: ${error.message}`
  }
}

/** Walks an expression, and throws the first `Mistake`. */
class Reader {
  readonly #functions: Functions

  constructor(functions: Functions) {
    this.#functions = functions
  }

  typeOf(expression: Expression, scope: Scope): string {
    const { id, exprKind } = expression
    switch (exprKind.case) {
      case 'constExpr':
        return constants[exprKind.value.constantKind.case ?? ''] ?? dynamic
      case 'identExpr':
        return this.#typeOfName(id, exprKind.value.name, scope)
      case 'selectExpr':
        return this.#typeOfField(expression, exprKind.value, scope)
      case 'callExpr':
        return this.#typeOfCall(id, exprKind.value, scope)
      case 'listExpr':
        for (const element of exprKind.value.elements) this.typeOf(element, scope)
        return 'list'
      case 'structExpr':
        return this.#typeOfStruct(exprKind.value, scope)
      case 'comprehensionExpr':
        return this.#typeOfComprehension(exprKind.value, scope)
      default:
        return dynamic
    }
  }

  #typeOfName(id: bigint, written: string, scope: Scope): string {
    const name = written.replace(/^\./, '')
    const type = scope.get(name) ?? (typesByName.has(name) ? 'type' : undefined)
    if (type === undefined) throw new Mistake(id, `${name} is ${noVariable}`)
    return type
  }

  #typeOfField(
    expression: Expression,
    { operand, field, testOnly }: Kind<'selectExpr'>,
    scope: Scope,
  ): string {
    if (typesByName.has(nameOf(expression) ?? '')) return 'type'
    const of = operand ? this.typeOf(operand, scope) : dynamic
    if (of !== 'map' && of !== dynamic)
      throw new Mistake(expression.id, `${explainOverload(`.${field}`, [of])}, which has no fields`)
    return testOnly ? 'bool' : dynamic
  }

  #typeOfStruct({ messageName, entries }: Kind<'structExpr'>, scope: Scope): string {
    for (const { keyKind, value } of entries) {
      if (keyKind.case === 'mapKey') this.typeOf(keyKind.value, scope)
      if (value) this.typeOf(value, scope)
    }
    return messageName === '' ? 'map' : dynamic
  }

  /** What `all`, `exists`, `exists_one`, `filter` and `map` are made of. */
  #typeOfComprehension(loop: Kind<'comprehensionExpr'>, scope: Scope): string {
    const { iterRange, accuInit, loopCondition, loopStep, result } = loop
    const range = iterRange ? this.typeOf(iterRange, scope) : dynamic
    if (iterRange && !['list', 'map', dynamic].includes(range))
      throw new Mistake(iterRange.id, `there is nothing to go through in ${range}`)
    const sum = accuInit ? this.typeOf(accuInit, scope) : dynamic
    const outside = new Map([...scope, [loop.accuVar, sum]])
    const inside = new Map([...outside, [loop.iterVar, dynamic], [loop.iterVar2, dynamic]])
    for (const part of [loopCondition, loopStep]) if (part) this.typeOf(part, inside)
    return result ? this.typeOf(result, outside) : dynamic
  }

  #typeOfCall(id: bigint, { function: name, target, args }: Kind<'callExpr'>, scope: Scope): string {
    const qualified = target && this.#functions.find(`${nameOf(target)}.${name}`)
    const on = target && !qualified ? [target] : []
    const types = [...on, ...args].map((argument) => this.typeOf(argument, scope))
    if (logic.has(name)) return typeOfLogic(id, name, types)
    if (name === '_[_]') return typeOfIndex(id, types)
    const group = qualified ?? this.#functions.find(name)
    if (!group) throw new Mistake(id, `there is no function ${name}`)
    const fitting = [...group].filter((one) => fits(one, on.length, types))
    if (fitting.length === 0) throw new Mistake(id, explainOverload(name, types))
    const results = new Set(fitting.map(({ result }) => result.name))
    return results.size === 1 ? ([...results][0] ?? dynamic) : dynamic
  }
}

function typeOfLogic(id: bigint, name: string, types: readonly string[]): string {
  const conditions = name === '_?_:_' ? types.slice(0, 1) : types
  for (const type of conditions)
    if (type !== 'bool' && type !== dynamic)
      throw new Mistake(id, explainOverload(name === '_?_:_' ? '?:' : name, [type]))
  if (name !== '_?_:_') return 'bool'
  return types[1] === types[2] ? (types[1] ?? dynamic) : dynamic
}

function typeOfIndex(id: bigint, types: readonly string[]): string {
  const [of = dynamic] = types
  if (!['list', 'map', dynamic].includes(of)) throw new Mistake(id, explainOverload('_[_]', [of]))
  return dynamic
}

/** Overloads are told apart by the outermost type alone, as the evaluation does. */
function fits({ target, arguments: wanted }: CelFunc, targets: number, types: readonly string[]): boolean {
  const all = target ? [target, ...wanted] : wanted
  return (
    (target ? 1 : 0) === targets &&
    all.length === types.length &&
    all.every(({ name }, index) => [name, dynamic].includes(types[index] ?? '') || name === dynamic)
  )
}

/** `a.b.c` of names alone. */
function nameOf({ exprKind }: Expression): string | undefined {
  if (exprKind.case === 'identExpr') return exprKind.value.name.replace(/^\./, '')
  if (exprKind.case !== 'selectExpr' || !exprKind.value.operand || exprKind.value.testOnly) return undefined
  const of = nameOf(exprKind.value.operand)
  return of === undefined ? undefined : `${of}.${exprKind.value.field}`
}
