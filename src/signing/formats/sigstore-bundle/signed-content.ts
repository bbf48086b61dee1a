import { Type, type Static } from 'typebox'
import { malformed } from './refusal.ts'

/** A signature, and what it was made over. */
export interface SignedContent {
  /** The bytes that were signed; of DSSE the pre-authentication encoding. */
  readonly message: Buffer
  /** What they carry: of DSSE the payload, else the message itself. */
  readonly payload: Buffer
  readonly signature: Buffer
  /** What a timestamp authority was shown: the signature, but for cosign's `.att`, where it is the envelope. */
  readonly stamped: Buffer
}

/** What came with a signature to verify it by. None of it is believed until a signer's trust anchors say so. */
export interface Material {
  /** Base64 of the SHA-256 of a public key: where to look first, no evidence. */
  readonly hint?: string
  /** DER, the leaf first. */
  readonly certificates: readonly Buffer[]
  readonly logEntries: readonly LogEntry[]
  /** RFC 3161 responses, DER. */
  readonly timestamps: readonly Buffer[]
}

export const maximumEntries = 8
export const maximumSignatureBytes = 2 * 1024
export const maximumCertificateBytes = 32 * 1024
export const maximumTimestampBytes = 64 * 1024

const base64Pattern = '^[A-Za-z0-9+/]*={0,2}$'
const closed = { additionalProperties: false }
export const Base64 = Type.String({ pattern: base64Pattern })
/** Protocol Buffers write 64-bit integers as strings, and leave a zero out. */
const Int64 = Type.Union([
  Type.String({ pattern: '^(0|[1-9][0-9]{0,14})$' }),
  Type.Integer({ minimum: 0, maximum: 999_999_999_999_999 }),
])

/** sigstore protobuf-specs, `TransparencyLogEntry`, in its JSON form. */
export const LogEntry = Type.Object(
  {
    logIndex: Type.Optional(Int64),
    logId: Type.Object({ keyId: Base64 }, closed),
    kindVersion: Type.Object({ kind: Type.String(), version: Type.String() }, closed),
    integratedTime: Type.Optional(Int64),
    inclusionPromise: Type.Optional(Type.Object({ signedEntryTimestamp: Base64 }, closed)),
    inclusionProof: Type.Optional(
      Type.Object(
        {
          logIndex: Type.Optional(Int64),
          rootHash: Type.Optional(Base64),
          treeSize: Type.Optional(Int64),
          hashes: Type.Optional(Type.Array(Base64, { maxItems: 64 })),
          checkpoint: Type.Object({ envelope: Type.String({ maxLength: 16_384 }) }, closed),
        },
        closed,
      ),
    ),
    canonicalizedBody: Base64,
  },
  closed,
)
export type LogEntry = Static<typeof LogEntry>

/** Decodes base64 that is written in the one canonical way (RFC 4648 section 4). Throws `Refusal`. */
export function decodeBase64(text: string, what: string, maximumBytes = Infinity): Buffer {
  if (text.length > Math.ceil(maximumBytes / 3) * 4) throw malformed(`${what} is too long`)
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length === 0) throw malformed(`${what} is empty, or not base64`)
  if (bytes.toString('base64') !== text) throw malformed(`${what} is not base64`)
  return bytes
}
