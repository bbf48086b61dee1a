import protobuf from 'protobufjs'

/**
 * The items of a repeated message field of a message, as bytes. What else the message has is not given.
 * (Protocol Buffers, "Encoding": a repeated message is a record for each item.)
 */
export function itemsOf(message: Uint8Array, field: number): Buffer[] {
  const items: Buffer[] = []
  eachRecord(message, (number, record, content) => {
    if (number === field && content) items.push(content)
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
  eachRecord(message, (number, record, content) => {
    if (number !== field || !content) return void parts.push(record)
    const changed = change(content)
    if (changed === content) parts.push(record)
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

const lengthDelimited = 2

/** Throws on bytes that are no message. */
function eachRecord(
  message: Uint8Array,
  take: (field: number, record: Buffer, content: Buffer | undefined) => void,
): void {
  const bytes = Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  const reader = protobuf.Reader.create(bytes)
  while (reader.pos < reader.len) {
    const begin = reader.pos
    const key = reader.uint32()
    const wireType = key & 7
    const content = wireType === lengthDelimited ? Buffer.from(reader.bytes()) : undefined
    if (!content) reader.skipType(wireType)
    take(key >>> 3, bytes.subarray(begin, reader.pos), content)
  }
}
