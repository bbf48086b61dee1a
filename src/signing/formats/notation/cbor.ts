import type { DecodeOptions, TagDecodeControl, Token } from 'cborg'
import { malformed } from '../sigstore-bundle/refusal.ts'

/** Arrays, maps and tags in one document, and so also how deep they can be nested. */
const maximumContainers = 64

/** A value with a tag, of those that were asked for. */
export class Tagged {
  readonly tag: number
  readonly value: unknown

  constructor(tag: number, value: unknown) {
    this.tag = tag
    this.value = value
  }
}

/**
 * Decodes one CBOR value in its shortest form (RFC 8949 section 4.1) with nothing after it; maps become `Map`. Keys
 * that stand twice, tags that are not listed and floats that are no numbers are refused. Throws `Refusal`.
 */
export async function decodeCbor(bytes: Buffer, tags: readonly number[], what: string): Promise<unknown> {
  const { decode, Tokenizer } = await import('cborg')
  const options: DecodeOptions = {
    strict: true,
    useMaps: true,
    rejectDuplicateMapKeys: true,
    allowIndefinite: false,
    allowUndefined: false,
    allowInfinity: false,
    allowNaN: false,
    tags: Object.fromEntries(tags.map((tag) => [tag, (inner: TagDecodeControl) => new Tagged(tag, inner())])),
  }
  const tokens = new Tokenizer(new Uint8Array(bytes), options)
  let containers = 0
  const tokenizer = {
    done: () => tokens.done(),
    pos: () => tokens.pos(),
    next: (): Token => {
      const token = tokens.next()
      if (['array', 'map', 'tag'].includes(token.type.name) && ++containers > maximumContainers) {
        throw new Error(`it has more than ${maximumContainers} arrays, maps and tags`)
      }
      return token
    },
  }
  try {
    return decode(bytes, { ...options, tokenizer }) as unknown
  } catch (error) {
    throw malformed(`${what} cannot be read: ${(error as Error).message}`, error)
  }
}

export async function encodeCbor(value: unknown): Promise<Buffer> {
  const { encode } = await import('cborg')
  return Buffer.from(encode(value))
}
