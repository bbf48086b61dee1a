import { Type, type Static } from 'typebox'
import { Value } from 'typebox/value'
import { JsonError, parseStrictJsonBytes } from '../../../kernel/json.ts'
import { DsseEnvelope, readDsse } from './dsse.ts'
import { malformed } from './refusal.ts'
import {
  Base64,
  decodeBase64,
  LogEntry,
  maximumCertificateBytes,
  maximumEntries,
  maximumSignatureBytes,
  maximumTimestampBytes,
  type Material,
  type SignedContent,
} from './signed-content.ts'

/** The versions of bundles that are known, by media type. */
const versions = {
  'application/vnd.dev.sigstore.bundle+json;version=0.1': '0.1',
  'application/vnd.dev.sigstore.bundle+json;version=0.2': '0.2',
  'application/vnd.dev.sigstore.bundle+json;version=0.3': '0.3',
  'application/vnd.dev.sigstore.bundle.v0.3+json': '0.3',
} as const

export type BundleVersion = (typeof versions)[keyof typeof versions]

/** A signature over a message that is not in the bundle. */
export interface MessageSignature {
  readonly algorithm: 'sha256' | 'sha384' | 'sha512'
  readonly digest: Buffer
  readonly signature: Buffer
}

export interface Bundle {
  readonly version: BundleVersion
  readonly content: { readonly dsse: SignedContent } | { readonly message: MessageSignature }
  readonly material: Material
}

const closed = { additionalProperties: false }
const Certificate = Type.Object({ rawBytes: Type.String() }, closed)
const hashNames = { SHA2_256: 'sha256', SHA2_384: 'sha384', SHA2_512: 'sha512' } as const

/** sigstore protobuf-specs, `Bundle`, in its JSON form. Members that are not known are refused. */
const Document = Type.Object(
  {
    mediaType: Type.String(),
    verificationMaterial: Type.Object(
      {
        publicKey: Type.Optional(
          Type.Object({ hint: Type.Optional(Type.String({ maxLength: 4096 })) }, closed),
        ),
        certificate: Type.Optional(Certificate),
        x509CertificateChain: Type.Optional(
          Type.Object(
            { certificates: Type.Array(Certificate, { minItems: 1, maxItems: maximumEntries }) },
            closed,
          ),
        ),
        tlogEntries: Type.Optional(Type.Array(LogEntry, { maxItems: maximumEntries })),
        timestampVerificationData: Type.Optional(
          Type.Object(
            {
              rfc3161Timestamps: Type.Optional(
                Type.Array(Type.Object({ signedTimestamp: Type.String() }, closed), {
                  maxItems: maximumEntries,
                }),
              ),
            },
            closed,
          ),
        ),
      },
      closed,
    ),
    dsseEnvelope: Type.Optional(DsseEnvelope),
    messageSignature: Type.Optional(
      Type.Object(
        {
          messageDigest: Type.Object(
            { algorithm: Type.Enum(Object.keys(hashNames) as (keyof typeof hashNames)[]), digest: Base64 },
            closed,
          ),
          signature: Type.String(),
        },
        closed,
      ),
    ),
  },
  closed,
)
type Document = Static<typeof Document>

/** The version of bundles that a media type stands for. */
export function bundleVersionOf(mediaType: string): BundleVersion | undefined {
  return Object.hasOwn(versions, mediaType) ? versions[mediaType as keyof typeof versions] : undefined
}

/** Reads a Sigstore bundle, strictly. Throws `Refusal`. */
export function parseBundle(bytes: Uint8Array): Bundle {
  const document = parseDocument(bytes)
  const version = bundleVersionOf(document.mediaType)
  if (version === undefined) {
    throw malformed(
      `a bundle of the media type ${JSON.stringify(document.mediaType.slice(0, 80))} is not known`,
    )
  }
  checkLogEntries(document.verificationMaterial.tlogEntries ?? [], version)
  return { version, content: readContent(document), material: readMaterial(document, version) }
}

function parseDocument(bytes: Uint8Array): Document {
  let document: unknown
  try {
    document = parseStrictJsonBytes(bytes, 16)
  } catch (error) {
    if (error instanceof JsonError) throw malformed(`the bundle is ${error.message}`)
    throw error
  }
  if (Value.Check(Document, document)) return document
  const [error] = Value.Errors(Document, document)
  throw malformed(`this is no bundle: ${error?.instancePath || 'it'} ${error?.message ?? ''}`)
}

/** protobuf-specs: version 0.1 must have the log's promise, later ones its proof. */
function checkLogEntries(entries: readonly LogEntry[], version: BundleVersion): void {
  const needed = version === '0.1' ? 'inclusionPromise' : 'inclusionProof'
  if (entries.some((entry) => entry[needed] === undefined)) throw malformed(`a log entry has no ${needed}`)
}

function readContent({ dsseEnvelope, messageSignature }: Document): Bundle['content'] {
  if (dsseEnvelope && messageSignature) throw malformed('it has an envelope and a message signature')
  if (dsseEnvelope) return { dsse: readDsse(dsseEnvelope) }
  if (!messageSignature) throw malformed('it has neither an envelope nor a message signature')
  const { messageDigest, signature } = messageSignature
  return {
    message: {
      algorithm: hashNames[messageDigest.algorithm],
      digest: decodeBase64(messageDigest.digest, 'the digest', 64),
      signature: decodeBase64(signature, 'the signature', maximumSignatureBytes),
    },
  }
}

function readMaterial({ verificationMaterial }: Document, version: BundleVersion): Material {
  const { publicKey, certificate, x509CertificateChain, tlogEntries, timestampVerificationData } =
    verificationMaterial
  const kinds = [publicKey, certificate, x509CertificateChain].filter((kind) => kind !== undefined)
  if (kinds.length !== 1)
    throw malformed('exactly one of key, certificate and certificate chain has to be named')
  if (x509CertificateChain && version === '0.3')
    throw malformed('a bundle of this version has no certificate chain')
  const certificates = certificate ? [certificate] : (x509CertificateChain?.certificates ?? [])
  const timestamps = timestampVerificationData?.rfc3161Timestamps ?? []
  return {
    ...(publicKey?.hint === undefined ? {} : { hint: publicKey.hint }),
    certificates: certificates.map(({ rawBytes }) =>
      decodeBase64(rawBytes, 'a certificate', maximumCertificateBytes),
    ),
    logEntries: tlogEntries ?? [],
    timestamps: timestamps.map(({ signedTimestamp }) =>
      decodeBase64(signedTimestamp, 'a timestamp', maximumTimestampBytes),
    ),
  }
}
