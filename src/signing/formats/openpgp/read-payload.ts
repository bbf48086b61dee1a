import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Digest } from '../../../kernel/digest.ts'
import { JsonError, parseStrictJsonBytes } from '../../../kernel/json.ts'
import { malformed } from '../sigstore-bundle/refusal.ts'

const payloadType = 'atomic container signature'
const closed = { additionalProperties: false }
/** The last second of which JavaScript has a date. */
const maximumSeconds = 8_640_000_000_000

/**
 * The content of a simple signature (containers-signature(5), "Payload"). Other members of `critical` are ones that we
 * would have to understand; what is `optional` is anybody's, but for two that have a type.
 */
const Payload = Type.Object(
  {
    critical: Type.Object(
      {
        type: Type.String(),
        image: Type.Object({ 'docker-manifest-digest': Type.String() }, closed),
        identity: Type.Object({ 'docker-reference': Type.String({ minLength: 1, maxLength: 1024 }) }, closed),
      },
      closed,
    ),
    optional: Type.Object({
      creator: Type.Optional(Type.String()),
      timestamp: Type.Optional(Type.Integer({ minimum: 0, maximum: maximumSeconds })),
    }),
  },
  closed,
)

/** What a signature says of the image that is asked about. */
export interface Payload {
  readonly reference: string
  /** Milliseconds since the epoch. */
  readonly timestamp?: number
}

/**
 * Reads signed content, which has to be about exactly this digest. `named` is told the reference as soon as it is
 * known. Throws `Refusal`.
 */
export function readPayload(
  content: Uint8Array,
  digest: Digest,
  named: (reference: string) => void,
): Payload {
  const document = parseDocument(content)
  if (!Value.Check(Payload, document)) throw malformed(describeFault(document))
  const { critical, optional } = document
  if (critical.type !== payloadType) {
    throw malformed(`the signed content's type is ${JSON.stringify(critical.type.slice(0, 80))}`)
  }
  const reference = critical.identity['docker-reference']
  named(reference)
  if (critical.image['docker-manifest-digest'] !== digest)
    throw malformed('the signature is about another image')
  const { timestamp } = optional
  return { reference, ...(timestamp === undefined ? {} : { timestamp: timestamp * 1000 }) }
}

function parseDocument(content: Uint8Array): unknown {
  try {
    return parseStrictJsonBytes(content, 16)
  } catch (error) {
    if (error instanceof JsonError) throw malformed(`the signed content is ${error.message}`)
    throw error
  }
}

function describeFault(document: unknown): string {
  const [error] = Value.Errors(Payload, document)
  const why = error?.keyword === 'boolean' ? 'is not a member that is understood' : error?.message
  return `the signed content is no simple signing document: ${error?.instancePath || 'it'} ${why ?? ''}`
}
