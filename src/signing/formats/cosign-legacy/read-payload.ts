import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Digest } from '../../../kernel/digest.ts'
import { JsonError, parseStrictJsonBytes } from '../../../kernel/json.ts'
import { signatureClaim } from '../../types.ts'
import { malformed } from '../sigstore-bundle/refusal.ts'

export const maximumPayloadBytes = 64 * 1024
const payloadType = 'cosign container image signature'
const closed = { additionalProperties: false }

/**
 * The simple signing payload (cosign SIGNATURE_SPEC, "Payload"; containers-signature(5)). Other members of
 * `critical` are ones that we would have to understand, and beside `critical` there is only `optional`.
 */
const Payload = Type.Object(
  {
    critical: Type.Object(
      {
        identity: Type.Object({ 'docker-reference': Type.String({ minLength: 1, maxLength: 1024 }) }, closed),
        image: Type.Object({ 'docker-manifest-digest': Type.String() }, closed),
        type: Type.String(),
      },
      closed,
    ),
    optional: Type.Optional(Type.Union([Type.Null(), Type.Record(Type.String(), Type.Unknown())])),
  },
  closed,
)

/** What a payload says of the image that is asked about. */
export interface Payload {
  readonly claim: typeof signatureClaim
  readonly reference: string
  readonly claimedAt?: number
}

/** Reads a payload that has to be about exactly this digest. Throws `Refusal`. */
export function readPayload(bytes: Buffer, digest: Digest): Payload {
  if (bytes.length > maximumPayloadBytes) throw malformed(`the payload has ${bytes.length} bytes`)
  const document = parseDocument(bytes)
  if (!Value.Check(Payload, document)) throw malformed(describeFault(document))
  const { critical, optional } = document
  if (critical.type !== payloadType) {
    throw malformed(`the payload's type is ${JSON.stringify(critical.type.slice(0, 80))}`)
  }
  if (critical.image['docker-manifest-digest'] !== digest)
    throw malformed('the payload is about another image')
  const claimedAt = timeOf(optional)
  return {
    claim: signatureClaim,
    reference: critical.identity['docker-reference'],
    ...(claimedAt === undefined ? {} : { claimedAt }),
  }
}

function parseDocument(bytes: Buffer): unknown {
  try {
    return parseStrictJsonBytes(bytes, 16)
  } catch (error) {
    if (error instanceof JsonError) throw malformed(`the payload is ${error.message}`)
    throw error
  }
}

function describeFault(document: unknown): string {
  const [error] = Value.Errors(Payload, document)
  return `the payload is no simple signing document: ${error?.instancePath || 'it'} ${error?.message ?? ''}`
}

/** containers-signature(5), `optional.timestamp`: seconds since the epoch. */
function timeOf(optional: Readonly<Record<string, unknown>> | null | undefined): number | undefined {
  const seconds = optional?.['timestamp']
  const isTime =
    typeof seconds === 'number' && Number.isSafeInteger(seconds) && seconds >= 0 && seconds < 8.64e12
  return isTime ? seconds * 1000 : undefined
}
