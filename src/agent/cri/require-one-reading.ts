import protobuf from 'protobufjs'
import { CriFailure } from './failures.ts'
import { lookUpMessage, type MessageName } from './protocol.ts'
import { eachRecord, lengthDelimited, varint } from './splice.ts'

/**
 * Refuses a message that two readers could understand differently, since what the agent judges is to be what a
 * runtime behind it does: a message field that is there twice (some merge both, some take the last), a known field
 * of another wire type than its own, a key that is longer than it has to be. Nobody's encoder writes such. Fields
 * that are not known may be anything (Protocol Buffers, "Encoding"). Throws INVALID_ARGUMENT.
 */
export function requireOneReading(name: MessageName, message: Uint8Array): void {
  try {
    check(lookUpMessage(name), message)
  } catch (error) {
    if (error instanceof CriFailure) throw error
    throw new CriFailure('INVALID_ARGUMENT', `this is no ${name}: ${(error as Error).message}`)
  }
}

function check(type: protobuf.Type, message: Uint8Array): void {
  const seen = new Set<number>()
  eachRecord(message, ({ field: number, wireType, content, isMinimal }) => {
    const field = type.fieldsById[number]?.resolve()
    if (!isMinimal) throw refusal(type, `the key of field ${number} is longer than it has to be`)
    if (!field) return
    const about = `${type.name}.${field.name}`
    if (!wireTypesOf(field).includes(wireType)) {
      throw refusal(type, `${about} has wire type ${wireType}`)
    }
    const inner = field.resolvedType
    if (!(inner instanceof protobuf.Type) || field instanceof protobuf.MapField) return
    if (!field.repeated && seen.has(number)) throw refusal(type, `${about} is there twice`)
    seen.add(number)
    if (content) check(inner, content)
  })
}

function wireTypesOf(field: protobuf.Field): readonly number[] {
  if (field instanceof protobuf.MapField) return [lengthDelimited]
  if (field.resolvedType instanceof protobuf.Enum) return packable(field, varint)
  const basic: Readonly<Record<string, number>> = protobuf.types.basic
  return packable(field, basic[field.type] ?? lengthDelimited)
}

/** Numbers that are repeated are written one by one or all in one record. */
function packable({ repeated }: protobuf.Field, own: number): readonly number[] {
  return repeated ? [own, lengthDelimited] : [own]
}

function refusal(type: protobuf.Type, why: string): CriFailure {
  return new CriFailure(
    'INVALID_ARGUMENT',
    `this ${type.name} can be read in two ways (${why}), so what would be judged might not be what runs; ` +
      'write each message field once, by an encoder of Protocol Buffers',
  )
}
