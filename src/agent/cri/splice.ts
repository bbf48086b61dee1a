import protobuf from 'protobufjs'

/**
 * The items of a repeated message field of a message, as bytes. What else the message has is not given.
 * (Protocol Buffers, "Encoding": a repeated message is a record for each item.)
 */
export function itemsOf(message: Uint8Array, field: number): Buffer[] {
  const items: Buffer[] = []
  eachRecord(message, (record) => {
    if (record.field === field && record.content) items.push(record.content)
  })
  return items
}

/** The same message with each item of a repeated message field changed, or left out where that gives undefined. */
export function mapItems(
  message: Uint8Array,
  field: number,
  change: (item: Buffer) => Buffer | undefined,
): Buffer {
  const parts: Buffer[] = []
  eachRecord(message, ({ field: number, bytes, content }) => {
    if (number !== field || !content) return void parts.push(bytes)
    const changed = change(content)
    if (changed === content) parts.push(bytes)
    else if (changed) parts.push(embed(field, changed))
  })
  return Buffer.concat(parts)
}

/** A message field as a record of the message around it. */
export function embed(field: number, content: Uint8Array): Buffer {
  return Buffer.from(
    protobuf.Writer.create()
      .uint32(field * 8 + lengthDelimited)
      .bytes(content)
      .finish(),
  )
}

/** Wire types (Protocol Buffers, "Encoding"). */
export const varint = 0
export const lengthDelimited = 2

/** One field of a message as it is written. */
export interface WireRecord {
  readonly field: number
  readonly wireType: number
  /** Key and value. */
  readonly bytes: Buffer
  /** The value of what is length-delimited. */
  readonly content: Buffer | undefined
  /** Its key takes no more bytes than it needs. */
  readonly isMinimal: boolean
}

/** Throws on bytes that are no message. */
export function eachRecord(message: Uint8Array, take: (record: WireRecord) => void): void {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const reader = protobuf.Reader.create(bytes)
  while (reader.pos < reader.len) {
    const begin = reader.pos
    const key = reader.uint32()
    const isMinimal = reader.pos - begin === Math.max(1, Math.ceil((32 - Math.clz32(key)) / 7))
    const wireType = key & 7
    const content = wireType === lengthDelimited ? Buffer.from(reader.bytes()) : undefined
    if (!content) reader.skipType(wireType)
    take({ field: key >>> 3, wireType, bytes: bytes.subarray(begin, reader.pos), content, isMinimal })
  }
}
