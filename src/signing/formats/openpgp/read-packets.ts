import { malformed } from '../sigstore-bundle/refusal.ts'

/** One packet of an OpenPGP message. */
export interface Packet {
  readonly tag: number
  /** Its content, in one piece. */
  readonly body: Buffer
}

/** A signed message has three. */
const maximumPackets = 8
const maximumParts = 64

interface Length {
  readonly size: number
  /** Where the content begins. */
  readonly start: number
  /** Another length follows the content. */
  readonly isPartial: boolean
}

/** Cuts bytes into packets up to the very end (RFC 9580, section 4.2). Throws `Refusal`. */
export function readPackets(bytes: Buffer): Packet[] {
  const packets: Packet[] = []
  let at = 0
  while (at < bytes.length) {
    if (packets.length === maximumPackets)
      throw malformed(`the message has more than ${maximumPackets} packets`)
    const header = bytes[at]!
    if ((header & 0x80) === 0) throw malformed('the message is not made of OpenPGP packets')
    const isNew = (header & 0x40) !== 0
    const tag = isNew ? header & 0x3f : (header >> 2) & 0x0f
    const { body, end } = isNew ? readBody(bytes, at + 1) : readOldBody(bytes, at + 1, header & 3)
    packets.push({ tag, body })
    at = end
  }
  return packets
}

/** Section 4.2.1: a length may be that of a part only, with the next one after it. */
function readBody(bytes: Buffer, start: number): { body: Buffer; end: number } {
  const parts: Buffer[] = []
  let at = start
  for (;;) {
    const length = readLength(bytes, at)
    parts.push(take(bytes, length.start, length.size))
    at = length.start + length.size
    if (!length.isPartial) return { body: Buffer.concat(parts), end: at }
    if (parts.length === maximumParts) throw malformed(`a packet has more than ${maximumParts} parts`)
  }
}

function readLength(bytes: Buffer, at: number): Length {
  const first = readNumber(bytes, at, 1)
  if (first < 192) return { size: first, start: at + 1, isPartial: false }
  if (first < 224) {
    return {
      size: ((first - 192) << 8) + readNumber(bytes, at + 1, 1) + 192,
      start: at + 2,
      isPartial: false,
    }
  }
  if (first === 255) return { size: readNumber(bytes, at + 1, 4), start: at + 5, isPartial: false }
  return { size: 2 ** (first & 0x1f), start: at + 1, isPartial: true }
}

/** Section 4.2.2: one, two or four octets, or up to the end of everything. */
function readOldBody(bytes: Buffer, at: number, lengthType: number): { body: Buffer; end: number } {
  const octets = [1, 2, 4, 0][lengthType]!
  const start = at + octets
  const size = octets === 0 ? bytes.length - start : readNumber(bytes, at, octets)
  return { body: take(bytes, start, size), end: start + size }
}

function readNumber(bytes: Buffer, at: number, octets: number): number {
  return take(bytes, at, octets).readUIntBE(0, octets)
}

function take(bytes: Buffer, start: number, size: number): Buffer {
  if (start + size > bytes.length) throw malformed('the message ends inside a packet')
  return bytes.subarray(start, start + size)
}
