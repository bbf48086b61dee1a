import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { JsonError, parseStrictJsonBytes } from '../../../kernel/json.ts'
import type { Subject } from '../../types.ts'
import { malformed } from '../sigstore-bundle/refusal.ts'

/** Signature specification, "Payload", around an OCI descriptor; what else stood in there might be a condition. */
const Payload = Type.Object(
  {
    targetArtifact: Type.Object(
      {
        mediaType: Type.String(),
        digest: Type.String(),
        size: Type.Integer({ minimum: 0 }),
        annotations: Type.Optional(Type.Record(Type.String(), Type.String())),
        artifactType: Type.Optional(Type.String()),
        urls: Type.Optional(Type.Array(Type.String())),
        data: Type.Optional(Type.String()),
        platform: Type.Optional(Type.Unknown()),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
)

/** Checks that a payload is about the subject: digest, size and media type. Throws `Refusal`. */
export function checkPayload(payload: Buffer, subject: Subject): void {
  let document: unknown
  try {
    document = parseStrictJsonBytes(payload, 8)
  } catch (error) {
    if (error instanceof JsonError) throw malformed(`the payload is ${error.message}`)
    throw error
  }
  if (!Value.Check(Payload, document)) throw malformed('the payload holds no descriptor of an image')
  const { targetArtifact: target } = document
  for (const member of ['digest', 'size', 'mediaType'] as const) {
    if (target[member] !== subject[member]) {
      throw malformed(
        `the signature is about something else: its ${member} is ${String(target[member]).slice(0, 200)}`,
      )
    }
  }
}
