/** Writes src/agent/cri/cri-types.ts: the messages of cri.proto as TypeScript sees them. */
import { writeFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import * as prettier from 'prettier'

const proto = new URL('../src/agent/cri/cri.proto', import.meta.url)
const target = new URL('../src/agent/cri/cri-types.ts', import.meta.url)

const root = protobuf.loadSync(proto.pathname).resolveAll()
const namespace = root.lookup('runtime.v1') as protobuf.Namespace
const numbers = new Set(['int32', 'uint32', 'int64', 'uint64', 'double', 'float', 'fixed64', 'sint64'])

function typeOf(field: protobuf.Field): string {
  const base = baseOf(field)
  if (field instanceof protobuf.MapField) return `Readonly<Record<string, ${base}>>`
  if (field.repeated) return `readonly ${base.includes('|') ? `(${base})` : base}[]`
  return field.resolvedType instanceof protobuf.Type ? `${base} | null` : base
}

function baseOf({ type, resolvedType }: protobuf.Field): string {
  if (resolvedType) return resolvedType.name
  if (numbers.has(type)) return 'number'
  if (type === 'bool') return 'boolean'
  return type === 'bytes' ? 'Buffer' : 'string'
}

function* messages(within: protobuf.NamespaceBase): Generator<protobuf.Type | protobuf.Enum> {
  for (const nested of within.nestedArray) {
    if (nested instanceof protobuf.Enum || nested instanceof protobuf.Type) yield nested
    if (nested instanceof protobuf.Type) yield* messages(nested)
  }
}

const services = namespace.nestedArray.filter((one) => one instanceof protobuf.Service)
const calls = services.flatMap(({ methodsArray }) => methodsArray)

const text = [
  '/** Messages of the CRI as `decode` gives them and `encode` takes them. Written by scripts/write-cri-types.ts. */',
  ...Array.from(messages(namespace), (one) =>
    one instanceof protobuf.Enum
      ? `export type ${one.name} = ${Object.keys(one.values)
          .map((name) => `'${name}'`)
          .join(' | ')}`
      : `export interface ${one.name} {${one.fieldsArray.map((field) => `readonly ${field.name}: ${typeOf(field)}`).join('\n')}}`,
  ),
  '/** What each call takes and gives; of those that stream, each message that they give. */',
  `export interface CriCalls {${calls.map(({ name, requestType, responseType }) => `readonly ${name}: { readonly request: ${requestType}; readonly response: ${responseType} }`).join('\n')}}`,
  '/** The names of all messages. */',
  `export interface CriMessages {${Array.from(messages(namespace))
    .filter((one) => one instanceof protobuf.Type)
    .map(({ name }) => `readonly ${name}: ${name}`)
    .join('\n')}}`,
].join('\n\n')

const options = await prettier.resolveConfig(target.pathname)
writeFileSync(target, await prettier.format(text, { ...options, parser: 'typescript' }))
