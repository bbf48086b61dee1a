import { inflateRawSync, inflateSync } from 'node:zlib'
import { malformed } from '../sigstore-bundle/refusal.ts'
import { readPackets, type Packet } from './read-packets.ts'

/** Signatures of containers/image have less than one. */
export const maximumMessageBytes = 64 * 1024
const maximumInflatedBytes = 2 * maximumMessageBytes

/** RFC 9580, section 5. */
const tags = { signature: 2, onePass: 4, compressed: 8, literal: 11 } as const
const encrypted: readonly number[] = [1, 3, 9, 18, 20]

/**
 * Gives the packets of a signed message (RFC 9580, section 10.3), uncompressed: one literal with exactly one
 * signature, in front of it or around it. Throws `Refusal` for everything else that a reader of OpenPGP might take.
 *
 * The library that verifies could unpack by itself. Doing it here leaves nothing to how it treats nesting, what
 * follows the end, or content that unpacks to more than memory holds.
 */
export function readSignedMessage(bytes: Buffer): Buffer {
  if (bytes.length > maximumMessageBytes) throw malformed(`the message has ${bytes.length} bytes`)
  // Every packet begins with this bit (section 4.2); armor and cleartext signatures are text.
  if (((bytes[0] ?? 0) & 0x80) === 0) throw malformed('this is text and not a binary OpenPGP message')
  const packets = readPackets(bytes)
  const [first] = packets
  if (packets.length !== 1 || first?.tag !== tags.compressed) return checked(packets, bytes)
  const inflated = inflate(first.body)
  return checked(readPackets(inflated), inflated)
}

/** RFC 9580, section 9.4. */
function inflate(body: Buffer): Buffer {
  const data = body.subarray(1)
  const options = { maxOutputLength: maximumInflatedBytes }
  try {
    switch (body[0]) {
      case 0:
        return data
      case 1:
        return inflateRawSync(data, options)
      case 2:
        return inflateSync(data, options)
    }
  } catch (error) {
    throw malformed(`the message cannot be uncompressed: ${(error as Error).message}`, error)
  }
  throw malformed('the message is compressed in another way than ZIP or ZLIB')
}

function checked(packets: readonly Packet[], bytes: Buffer): Buffer {
  const shape = packets.map(({ tag }) => tag)
  const { signature, onePass, literal } = tags
  const shapes = [
    [onePass, literal, signature],
    [signature, literal],
  ]
  if (shapes.some((known) => known.join() === shape.join())) return bytes
  throw malformed(describe(shape))
}

function describe(shape: readonly number[]): string {
  const signatures = shape.filter((tag) => tag === tags.signature).length
  if (shape.some((tag) => encrypted.includes(tag))) return 'the message is encrypted'
  if (signatures > 1) return 'the message carries more than one signature'
  if (!shape.includes(tags.literal)) return 'the message has no content: a detached signature does not count'
  if (signatures === 0) return 'the message is not signed'
  return `this is no signed message: its packets are of the types ${shape.join(', ')}`
}
