import { malformed, untrusted } from '../sigstore-bundle/refusal.ts'

/** An envelope taken apart, whichever form it had. Nothing of it is verified. */
export interface SignedEnvelope {
  /** As JWS names it, `PS256` or `ES256` and so on; what it says is compared with the key. */
  readonly algorithm: string
  /** The bytes that were signed. */
  readonly message: Buffer
  readonly payload: Buffer
  readonly signature: Buffer
  /** Milliseconds; when the signer says it was made. */
  readonly claimedAt: number
  readonly expiresAt?: number
  /** DER, leaf first. */
  readonly certificates: readonly Buffer[]
  /** RFC 3161 `TimeStampToken` over the signature. */
  readonly timestamp?: Buffer
}

export type Label = string | number
export type Headers = ReadonlyMap<Label, unknown>

/** How one form of envelope writes its headers. */
export interface HeaderForm {
  readonly labels: Readonly<Record<'algorithm' | 'critical' | 'contentType', Label>>
  /** The JWS name of an algorithm. */
  readonly algorithmOf: (value: unknown) => string | undefined
  /** Milliseconds. */
  readonly timeOf: (value: unknown) => number | undefined
}

export const payloadType = 'application/vnd.cncf.notary.payload.v1+json'
export const scheme = 'notary.x509'
export const names = {
  scheme: 'io.cncf.notary.signingScheme',
  signingTime: 'io.cncf.notary.signingTime',
  expiry: 'io.cncf.notary.expiry',
  timestamp: 'io.cncf.notary.timestampSignature',
  agent: 'io.cncf.notary.signingAgent',
} as const

export const maximumSignatureBytes = 2 * 1024
export const maximumCertificateBytes = 32 * 1024

/** These change what a signature means, so that to leave them out of account would be to misread it. */
const notUnderstood = [
  'b64',
  'io.cncf.notary.authenticSigningTime',
  'io.cncf.notary.verificationPlugin',
  'io.cncf.notary.verificationPluginMinVersion',
]

/** Reads the signed attributes (signature specification, "Standard attributes"). Throws `Refusal`. */
export function readHeaders(
  headers: Headers,
  { labels, algorithmOf, timeOf }: HeaderForm,
): Pick<SignedEnvelope, 'algorithm' | 'claimedAt' | 'expiresAt'> {
  checkScheme(headers.get(names.scheme))
  checkCritical(headers, headers.get(labels.critical))
  const strange = notUnderstood.find((name) => headers.has(name))
  if (strange) throw untrusted(`the header ${strange} is not understood`)
  if (headers.get(labels.contentType) !== payloadType)
    throw malformed(`the content type is not ${payloadType}`)
  const algorithm = algorithmOf(headers.get(labels.algorithm))
  if (algorithm === undefined) {
    throw untrusted('the algorithm is none that signatures may have: RSASSA-PSS and ECDSA are taken')
  }
  const claimedAt = timeOf(headers.get(names.signingTime))
  if (claimedAt === undefined) throw malformed('the signing time is missing, or no time')
  if (!headers.has(names.expiry)) return { algorithm, claimedAt }
  const expiresAt = timeOf(headers.get(names.expiry))
  if (expiresAt === undefined || expiresAt <= claimedAt) {
    throw malformed('the expiry is no time, or not after the signing time')
  }
  return { algorithm, claimedAt, expiresAt }
}

function checkScheme(value: unknown): void {
  if (value === scheme) return
  const found = typeof value === 'string' ? value.slice(0, 80) : 'missing'
  throw untrusted(
    `the signing scheme is ${found}; only ${scheme} is taken, as others let the signer vouch for its own time`,
  )
}

/** Every critical header has to be understood, and what has to be critical has to be among them. */
function checkCritical(headers: Headers, critical: unknown): void {
  if (!Array.isArray(critical)) throw malformed('there is no list of critical headers')
  const needed = [names.scheme, ...(headers.has(names.expiry) ? [names.expiry] : [])] as const
  const unknown = critical.find((name) => !needed.includes(name as (typeof needed)[number]))
  if (unknown !== undefined) {
    throw untrusted(
      `the critical header ${JSON.stringify(String(unknown).slice(0, 80))} is not understood, or missing`,
    )
  }
  if (new Set(critical).size !== critical.length) throw malformed('a critical header is listed twice')
  const missing = needed.find((name) => !critical.includes(name))
  if (missing) throw malformed(`the header ${missing} is not marked critical`)
}
