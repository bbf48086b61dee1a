import { variableNames } from './types.ts'

const operators: Readonly<Record<string, string>> = { '@in': 'in', '-_': '-', '!_': '!', '_[_]': '[…]' }
const typeNames: Readonly<Record<string, string>> = {
  'google.protobuf.Timestamp': 'timestamp',
  'google.protobuf.Duration': 'duration',
  null_type: 'null',
}

export const noVariable = `a variable that there is not; there are ${variableNames.slice(0, -1).join(', ')} and ${variableNames.at(-1)}`

/** What the evaluation complains of, with a remedy where there is one. */
export function explain(message: string): string {
  if (message.startsWith('unresolved attribute')) return `it names ${noVariable}`
  if (message.startsWith('field not found')) return `${message}; ask with has(…) whether it is there`
  const [, name, types] = /^found no matching overload for '(.+)' applied to '\((.*)\)'$/.exec(message) ?? []
  if (name !== undefined && types !== undefined) return explainOverload(name, types.split(', '))
  return message.slice(0, 500)
}

/** That a function or operator is not for these types. */
export function explainOverload(name: string, types: readonly string[]): string {
  const shown = types.map(showType)
  const isMixed = shown.includes('int') && shown.includes('double')
  const remedy = isMixed ? '; whole numbers, in JSON too, are integers: write double(…) around them' : ''
  return `${operatorName(name)} is not for ${shown.join(' and ') || 'nothing'}${remedy}`
}

/** As people write it: `_>=_` is `>=`. */
function operatorName(name: string): string {
  return operators[name] ?? /^_(.+)_$/.exec(name)?.[1] ?? name
}

export function notBoolean(type: string): string {
  return `it gives ${showType(type)}, not true or false`
}

function showType(type: string): string {
  return typeNames[type] ?? type
}
