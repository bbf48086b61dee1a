import { Type, type Static } from 'typebox'
import { malformed } from './refusal.ts'
import { decodeBase64, maximumSignatureBytes, type SignedContent } from './signed-content.ts'

/** The payload type of in-toto statements; no other is known here. */
const statementType = 'application/vnd.in-toto+json'
const closed = { additionalProperties: false }

/** DSSE, "Envelope"; the JSON form. */
export const DsseEnvelope = Type.Object(
  {
    payload: Type.String(),
    payloadType: Type.String(),
    signatures: Type.Array(
      Type.Object({ sig: Type.String(), keyid: Type.Optional(Type.String({ maxLength: 4096 })) }, closed),
    ),
  },
  closed,
)

/**
 * What an envelope with a statement signs. There must be exactly one signature: of several, readers disagree about
 * which have to be good. Throws `Refusal`.
 */
export function readDsse(envelope: Static<typeof DsseEnvelope>): SignedContent {
  const { payloadType, signatures } = envelope
  if (payloadType !== statementType) throw malformed(`the payload's type is ${show(payloadType)}`)
  const [first, ...others] = signatures
  if (!first || others.length > 0) throw malformed(`it has ${signatures.length} signatures; one is allowed`)
  const payload = decodeBase64(envelope.payload, 'the payload')
  const signature = decodeBase64(first.sig, 'the signature', maximumSignatureBytes)
  return { message: preAuthenticationEncoding(payloadType, payload), payload, signature, stamped: signature }
}

/** DSSE, "Signature Definition": PAE, what is really signed. */
function preAuthenticationEncoding(type: string, payload: Buffer): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `
  return Buffer.concat([Buffer.from(head), payload])
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 80))
}
