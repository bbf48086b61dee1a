import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { JsonError, parseStrictJson } from '../../kernel/json.ts'
import { SigningFailure } from '../failures.ts'
import { readPemBlocks } from '../trusted-roots/pem.ts'

/** What lies beside a file in place of a bundle, each as the text of its file. */
export interface DetachedSignature {
  /** Base64, as `cosign sign-blob --output-signature` and Kubernetes' releases write it. */
  readonly signature: string
  /** The signer's certificate, with others of its chain after it: PEM, or base64 of PEM as cosign writes it. */
  readonly certificate?: string
  /** The entry of the transparency log: as Rekor's API gives it, or as cosign 1 and 2 keep it (`rekorBundle`). */
  readonly logEntry?: string
}

const maximumCharacters = 256 * 1024
const base64 = /^[A-Za-z0-9+/]+={0,2}$/

const Kept = Type.Object({
  SignedEntryTimestamp: Type.String(),
  Payload: Type.Object({
    body: Type.String(),
    integratedTime: Type.Integer({ minimum: 0 }),
    logIndex: Type.Integer({ minimum: 0 }),
    logID: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  }),
})
const Answered = Type.Record(
  Type.String(),
  Type.Object({
    body: Type.String(),
    integratedTime: Type.Integer({ minimum: 0 }),
    logIndex: Type.Integer({ minimum: 0 }),
    logID: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    verification: Type.Object({ signedEntryTimestamp: Type.String() }),
  }),
)
const Kind = Type.Object({ kind: Type.String(), apiVersion: Type.String() })
/** What `cosign sign-blob --bundle` of cosign 1 and 2 wrote. */
const OldBundle = Type.Object({
  base64Signature: Type.String(),
  cert: Type.Optional(Type.String()),
  rekorBundle: Type.Optional(Type.Unknown()),
})

/**
 * A Sigstore bundle (version 0.1) of what lies beside a file, so that it is judged like every other bundle: with the
 * entry of the log the certificate counts at the time that the log proves, without it at no time but now. `hint` stands
 * in for the certificate of a signature by a key. Throws SIGNER_INVALID that names what cannot be read.
 */
export function bundleOfDetached(file: Uint8Array, detached: DetachedSignature): Buffer {
  const { signature, certificate, logEntry } = detached
  return Buffer.from(
    JSON.stringify({
      mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
      verificationMaterial: {
        ...(certificate === undefined
          ? { publicKey: { hint: '' } }
          : { x509CertificateChain: { certificates: readCertificates(certificate) } }),
        tlogEntries: logEntry === undefined ? [] : [readLogEntry(logEntry)],
      },
      messageSignature: {
        messageDigest: {
          algorithm: 'SHA2_256',
          digest: createHash('sha256').update(file).digest('base64'),
        },
        signature: readSignature(signature),
      },
    }),
  )
}

/** The parts of a bundle of cosign 1 or 2; undefined when the text is none. */
export function readOldBundle(text: string): DetachedSignature | undefined {
  const document = parse(text, 'the bundle')
  if (!Value.Check(OldBundle, document)) return undefined
  const { base64Signature: signature, cert, rekorBundle } = document
  // A bundle by a key has the key where the certificate would be.
  const isKey = cert !== undefined && /BEGIN PUBLIC KEY/.test(unwrapPem(cert))
  return {
    signature,
    ...(cert === undefined || cert === '' || isKey ? {} : { certificate: cert }),
    ...(rekorBundle === undefined || rekorBundle === null ? {} : { logEntry: JSON.stringify(rekorBundle) }),
  }
}

function readSignature(text: string): string {
  const signature = text.replaceAll(/\s/g, '')
  if (signature.length <= maximumCharacters && base64.test(signature)) return signature
  throw invalid('the signature is not base64')
}

function readCertificates(text: string): { rawBytes: string }[] {
  try {
    const blocks = readPemBlocks(unwrapPem(text), 'CERTIFICATE')
    return blocks.map((der) => ({ rawBytes: der.toString('base64') }))
  } catch (error) {
    throw invalid(`the certificate cannot be read: ${(error as Error).message}`)
  }
}

/** cosign writes the PEM of a certificate in base64 once more. */
function unwrapPem(text: string): string {
  if (text.length > maximumCharacters) throw invalid(`it has more than ${maximumCharacters} characters`)
  const packed = text.replaceAll(/\s/g, '')
  return base64.test(packed) ? Buffer.from(packed, 'base64').toString('latin1') : text
}

function readLogEntry(text: string): object {
  const { body, integratedTime, logIndex, logID, promise } = findEntry(parse(text, 'the log entry'))
  const kind = parse(Buffer.from(body, 'base64').toString(), 'the body of the log entry')
  if (!Value.Check(Kind, kind)) throw invalid('the body of the log entry has no kind')
  return {
    logIndex: String(logIndex),
    logId: { keyId: Buffer.from(logID, 'hex').toString('base64') },
    kindVersion: { kind: kind.kind, version: kind.apiVersion },
    integratedTime: String(integratedTime),
    inclusionPromise: { signedEntryTimestamp: promise },
    canonicalizedBody: body,
  }
}

interface Entry {
  readonly body: string
  readonly integratedTime: number
  readonly logIndex: number
  readonly logID: string
  readonly promise: string
}

function findEntry(document: unknown): Entry {
  if (Value.Check(Kept, document)) return { ...document.Payload, promise: document.SignedEntryTimestamp }
  if (Value.Check(Answered, document)) {
    const [entry, second] = Object.values(document)
    if (entry && !second) return { ...entry, promise: entry.verification.signedEntryTimestamp }
  }
  throw invalid('the log entry has another shape than Rekor and cosign give it')
}

function parse(text: string, what: string): unknown {
  if (text.length > maximumCharacters) throw invalid(`${what} has more than ${maximumCharacters} characters`)
  try {
    return parseStrictJson(text, 16)
  } catch (error) {
    if (error instanceof JsonError) throw invalid(`${what} is ${error.message}`)
    throw error
  }
}

function invalid(why: string): SigningFailure {
  return new SigningFailure('SIGNER_INVALID', why)
}
