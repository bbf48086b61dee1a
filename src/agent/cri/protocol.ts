import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import type { CriCalls, CriMessages } from './cri-types.ts'
import { embed, mapItems } from './splice.ts'

/** A call of the CRI by its name: `RunPodSandbox`, `PullImage`, … */
export type CallName = keyof CriCalls
export type MessageName = keyof CriMessages

/** One call as the contract describes it. */
export interface CallDescription {
  readonly name: CallName
  readonly service: 'RuntimeService' | 'ImageService'
  /** `/runtime.v1.RuntimeService/Version`: the HTTP/2 path of gRPC. */
  readonly path: string
  readonly requestType: MessageName
  readonly responseType: MessageName
  /** It is answered by many messages. */
  readonly isStream: boolean
}

/** What `encode` takes: a message of which any part may be left out, which is then its default. */
export type Loose<Message> = Message extends Buffer
  ? Message
  : Message extends readonly (infer One)[]
    ? readonly Loose<One>[]
    : Message extends object
      ? { readonly [Key in keyof Message]?: Loose<Message[Key]> | undefined }
      : Message

const source = readFileSync(new URL('cri.proto', import.meta.url), 'utf8')
const namespace = protobuf.parse(source).root.lookup('runtime.v1') as protobuf.Namespace

/** Every call of the contract, of both services. */
export const calls: readonly CallDescription[] = namespace.nestedArray
  .filter((one) => one instanceof protobuf.Service)
  .flatMap((service) =>
    service.methodsArray.map((method) => ({
      name: method.name as CallName,
      service: service.name as CallDescription['service'],
      path: `/runtime.v1.${service.name}/${method.name}`,
      requestType: method.requestType as MessageName,
      responseType: method.responseType as MessageName,
      isStream: method.responseStream === true,
    })),
  )

const byName = new Map(calls.map((call) => [call.name, call]))

export function getCall(name: CallName): CallDescription {
  return byName.get(name) as CallDescription
}

/** The description of a message, as protobufjs has it. */
export function lookUpMessage(name: MessageName): protobuf.Type {
  return namespace.lookupType(name)
}

/**
 * Reads a message. Scalars that are not there have their defaults, messages are null, enumerations are their names,
 * 64-bit numbers are numbers (so nanoseconds since the epoch are right to a quarter of a microsecond). Throws on
 * bytes that are no message.
 */
export function decode<Name extends MessageName>(name: Name, bytes: Uint8Array): CriMessages[Name] {
  const type = lookUpMessage(name)
  const options = { defaults: true, longs: Number, enums: String, bytes: Buffer }
  return type.toObject(type.decode(bytes), options) as CriMessages[Name]
}

/** Writes a message. What is undefined, null or left out is not written. */
export function encode<Name extends MessageName>(name: Name, message: Loose<CriMessages[Name]>): Buffer {
  const type = lookUpMessage(name)
  const bytes = type.encode(type.fromObject(message)).finish()
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/**
 * A message with some scalar or repeated fields of it, or of the message at a path of fields inside it, written after
 * what is there: of scalars the last one counts, repeated ones are added to (Protocol Buffers, "Encoding"). All
 * else stays as it is, known or not.
 */
export function amend(
  name: MessageName,
  message: Buffer,
  path: readonly string[],
  fields: Readonly<Record<string, unknown>>,
): Buffer {
  const type = lookUpMessage(name)
  const [first, ...rest] = path
  if (first === undefined) return Buffer.concat([message, encode(name, fields as never)])
  const { id, resolvedType } = (type.fields[first] as protobuf.Field).resolve()
  const inner = (bytes: Buffer): Buffer => amend(resolvedType?.name as MessageName, bytes, rest, fields)
  let isThere = false
  const changed = mapItems(message, id, (bytes) => {
    isThere = true
    return inner(bytes)
  })
  return isThere ? changed : Buffer.concat([changed, embed(id, inner(Buffer.of()))])
}

/** The number of a field, for splicing. */
export function fieldNumber<Name extends MessageName>(
  name: Name,
  field: keyof CriMessages[Name] & string,
): number {
  return lookUpMessage(name).fields[field]?.id as number
}
