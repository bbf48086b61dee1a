import { createHash, X509Certificate } from 'node:crypto'
import type { toTrustMaterial } from '@sigstore/verify'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { JsonError, parseStrictJson } from '../../kernel/json.ts'
import { SigningFailure } from '../failures.ts'

/** Authorities, logs and timestamp authorities, each with the time in which it is believed. */
export type TrustedRoot = Omit<ReturnType<typeof toTrustMaterial>, 'publicKey'>
export type Authority = TrustedRoot['certificateAuthorities'][number]

const maximumBytes = 1024 * 1024
const maximumEntries = 64
const maximumCached = 32
/** sigstore protobuf-specs, `TrustedRoot.media_type`. */
const knownMediaTypes = [
  'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
  'application/vnd.dev.sigstore.trustedroot.v0.2+json',
]
const timeStamping = '1.3.6.1.5.5.7.3.8'

const Time = Type.String({
  pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?(Z|[+-]\\d\\d:\\d\\d)$',
})
/** Without a start, a key would be believed for all that is older than itself. */
const Validity = Type.Object({ start: Time, end: Type.Optional(Time) })
const Base64 = Type.String({ pattern: '^[A-Za-z0-9+/]+={0,2}$' })
const LogId = Type.Object({ keyId: Base64 })
const Log = Type.Object({
  baseUrl: Type.Optional(Type.String()),
  hashAlgorithm: Type.Literal('SHA2_256'),
  publicKey: Type.Object({ rawBytes: Base64, keyDetails: Type.String(), validFor: Validity }),
  logId: LogId,
  checkpointKeyId: Type.Optional(LogId),
})
const CertificateChain = Type.Object({
  certificates: Type.Array(Type.Object({ rawBytes: Base64 }), { minItems: 1, maxItems: 8 }),
})
const AuthorityEntry = Type.Object({ certChain: CertificateChain, validFor: Validity })
const list = { maxItems: maximumEntries }
const Root = Type.Object({
  mediaType: Type.Enum(knownMediaTypes),
  certificateAuthorities: Type.Optional(Type.Array(AuthorityEntry, list)),
  timestampAuthorities: Type.Optional(Type.Array(AuthorityEntry, list)),
  tlogs: Type.Optional(Type.Array(Log, list)),
  ctlogs: Type.Optional(Type.Array(Log, list)),
})

/** By digest of the text; signers share a few roots, and reading one takes milliseconds. */
const cache = new Map<string, Promise<TrustedRoot>>()

/**
 * Reads a Sigstore `trusted_root.json` of up to 1 MB. Throws SIGNER_INVALID that says what is wrong with it: every
 * log and authority must have the start of its validity, every authority its whole chain down to its root.
 */
export function parseTrustedRoot(text: string): Promise<TrustedRoot> {
  const key = createHash('sha256').update(text).digest('base64')
  const known = cache.get(key)
  if (known) return known
  const parsed = readTrustedRoot(text)
  const [oldest] = cache.keys()
  if (oldest !== undefined && cache.size >= maximumCached) cache.delete(oldest)
  cache.set(key, parsed)
  parsed.catch(() => cache.delete(key))
  return parsed
}

async function readTrustedRoot(text: string): Promise<TrustedRoot> {
  if (text.length > maximumBytes) throw invalid(`it has more than ${maximumBytes} bytes`)
  const document = parseJson(text)
  if (!Value.Check(Root, document)) throw invalid(describeError(document))
  for (const { certChain } of document.certificateAuthorities ?? [])
    checkChain(certChain.certificates, isAuthority)
  for (const { certChain } of document.timestampAuthorities ?? [])
    checkChain(certChain.certificates, isStamper)
  // Loaded when the first signer with a root is met.
  const [{ TrustedRoot: Message }, { toTrustMaterial }] = await Promise.all([
    import('@sigstore/protobuf-specs'),
    import('@sigstore/verify'),
  ])
  try {
    return toTrustMaterial(Message.fromJSON(document))
  } catch (error) {
    throw invalid((error as Error).message)
  }
}

function parseJson(text: string): unknown {
  try {
    return parseStrictJson(text, 16)
  } catch (error) {
    if (error instanceof JsonError) throw invalid(`it is ${error.message}`)
    throw error
  }
}

function describeError(document: unknown): string {
  const [error] = Value.Errors(Root, document)
  return error ? `${error.instancePath || 'the document'} ${error.message}` : 'it has another shape'
}

/** The first certificate has to be fit for its purpose, all others authorities, the last one its own issuer. */
function checkChain(
  certificates: readonly { readonly rawBytes: string }[],
  isFit: (certificate: X509Certificate) => boolean,
): void {
  const chain = certificates.map(({ rawBytes }) => readCertificate(rawBytes))
  const [first, ...rest] = chain
  const last = chain.at(-1)
  if (!first || !last || !isFit(first)) {
    throw invalid(`${nameOf(first)} stands first in a chain and is not fit for it`)
  }
  const other = rest.find(({ ca }) => !ca)
  if (other) throw invalid(`${nameOf(other)} is no authority, but stands in the chain of one`)
  if (!last.checkIssued(last)) {
    throw invalid(`the chain of ${nameOf(first)} ends with ${nameOf(last)}, which is no root; add its root`)
  }
}

function isAuthority({ ca }: X509Certificate): boolean {
  return ca
}

/** RFC 3161 section 2.3. */
function isStamper({ ca, keyUsage }: X509Certificate): boolean {
  return !ca && (keyUsage as readonly string[] | undefined)?.includes(timeStamping) === true
}

function readCertificate(rawBytes: string): X509Certificate {
  try {
    return new X509Certificate(Buffer.from(rawBytes, 'base64'))
  } catch (error) {
    throw invalid(`a certificate cannot be read: ${(error as Error).message}`)
  }
}

function nameOf(certificate: X509Certificate | undefined): string {
  return `the certificate of "${certificate?.subject.replaceAll('\n', ', ') ?? ''}"`
}

function invalid(why: string): SigningFailure {
  return new SigningFailure('SIGNER_INVALID', `this is not a trusted root that can be used: ${why}`)
}
