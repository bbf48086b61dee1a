import { closest, distance } from 'fastest-levenshtein'
import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Node } from 'yaml'
import { PolicyFailure } from './failures.ts'

const maximumBytes = 256 * 1024

/** Parses YAML of a form. Throws POLICY_INVALID with the line and, for an unknown key, the nearest known one. */
export function parseYaml<Schema extends TSchema>(text: string, schema: Schema): Static<Schema> {
  if (text.length > maximumBytes) throw invalid(`it is larger than ${maximumBytes} bytes`)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true })
  const [mistake] = document.errors
  if (mistake) throw invalid(mistake.message.split('\n', 1)[0] as string)
  const lineOf = (node: Node | null | undefined): string =>
    `line ${lines.linePos(node?.range?.[0] ?? 0).line}`
  refuseUnknownKeys(document.contents, schema, lineOf)
  const value: unknown = document.toJS({ maxAliasCount: 100 })
  if (Value.Check(schema, value)) return value
  const [first] = Value.Errors(schema, value)
  throw invalid(`${first?.instancePath || 'the document'}: ${first?.message ?? 'wrong form'}`)
}

/** The refusal of a document, for this reason. */
export function invalid(why: string): PolicyFailure {
  return new PolicyFailure('POLICY_INVALID', `the policy is not valid: ${why}`)
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, TSchema & ObjectSchema>>
  readonly items?: TSchema & ObjectSchema
}

function refuseUnknownKeys(
  node: unknown,
  schema: TSchema & ObjectSchema,
  lineOf: (node: Node | null) => string,
): void {
  if (isSeq(node) && schema.items) {
    for (const item of node.items) refuseUnknownKeys(item, schema.items, lineOf)
  }
  if (!isMap(node) || !schema.properties) return
  const known = Object.keys(schema.properties)
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : ''
    const child = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined
    if (!child) {
      const nearest = closest(name, known)
      const hint =
        distance(name, nearest) <= 4 ? `; did you mean ${nearest}?` : `; known are ${known.join(', ')}`
      throw invalid(`${lineOf(key as Node)}: ${JSON.stringify(name)} is not known here${hint}`)
    }
    refuseUnknownKeys(value, child, lineOf)
  }
}
