import { X509Certificate } from 'node:crypto'
import type * as Pkijs from 'pkijs'
import { CertificateError } from './certificate-error.ts'
import { hashOfSignature, type Sha2 } from './hashes.ts'
import { formatSubject, type NameAttribute } from './distinguished-name.ts'

/** What a certificate says; nothing of it is verified. */
export interface Certificate {
  readonly der: Buffer
  /** OpenSSL's reading, which verifies signatures. */
  readonly x509: X509Certificate
  readonly subject: readonly NameAttribute[]
  /** The subject for people. */
  readonly name: string
  /** Milliseconds; both belong to the validity. */
  readonly notBefore: number
  readonly notAfter: number
  /** In the signature of its issuer; `undefined` when that is not RSA or ECDSA over SHA-2. */
  readonly signatureHash: Sha2 | undefined
  /** In the order of the certificate; no identifier twice. */
  readonly extensions: readonly { readonly oid: string; readonly isCritical: boolean }[]
  readonly basicConstraints?: {
    readonly isAuthority: boolean
    readonly pathLength?: number
  }
  /** RFC 5280 section 4.2.1.3: bit 0 is the highest of the first byte. */
  readonly keyUsage?: readonly [number, number]
  /** OIDs. */
  readonly extendedKeyUsage?: readonly string[]
}

export const extensionOids = {
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  extendedKeyUsage: '2.5.29.37',
} as const

const maximumBytes = 32 * 1024
const maximumExtensions = 64

/** Reads one certificate in DER, with nothing after it. Throws `CertificateError`. */
export async function readCertificate(der: Buffer): Promise<Certificate> {
  if (der.length > maximumBytes)
    throw new CertificateError(`a certificate has more than ${maximumBytes} bytes`)
  const pkijs = await import('pkijs')
  try {
    const x509 = new X509Certificate(der)
    // OpenSSL ignores what follows the certificate.
    if (!x509.raw.equals(der)) throw new Error('something stands after it')
    const parsed = pkijs.Certificate.fromBER(Uint8Array.from(der).buffer)
    return { der, x509, ...readFields(parsed, x509, pkijs) }
  } catch (error) {
    if (error instanceof CertificateError) throw error
    throw new CertificateError(`a certificate cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

function readFields(
  parsed: Pkijs.Certificate,
  x509: X509Certificate,
  pkijs: typeof Pkijs,
): Omit<Certificate, 'der' | 'x509'> {
  const extensions = parsed.extensions ?? []
  const oids = new Set(extensions.map(({ extnID }) => extnID))
  if (extensions.length > maximumExtensions)
    throw new Error(`it has more than ${maximumExtensions} extensions`)
  if (oids.size !== extensions.length) throw new Error('an extension stands in it twice')
  const subject = parsed.subject.typesAndValues.map(({ type, value }) => ({
    oid: type,
    value: textOf(value),
  }))
  const read = readExtensions(extensions, pkijs)
  if ((read.basicConstraints?.isAuthority ?? false) !== x509.ca) throw new Error('it is ambiguous')
  return {
    subject,
    name: formatSubject(subject),
    notBefore: x509.validFromDate.getTime(),
    notAfter: x509.validToDate.getTime(),
    signatureHash: hashOfSignature(parsed.signatureAlgorithm, pkijs),
    extensions: extensions.map(({ extnID, critical }) => ({ oid: extnID, isCritical: critical })),
    ...read,
  }
}

/** Of any kind of string; of what is none, such as an OCTET STRING, the value is empty and equals no other. */
function textOf({ valueBlock }: Pkijs.AttributeTypeAndValue['value']): string {
  const { value } = valueBlock as { readonly value?: unknown }
  return typeof value === 'string' ? value : ''
}

function readExtensions(
  extensions: readonly Pkijs.Extension[],
  { BasicConstraints, ExtKeyUsage }: typeof Pkijs,
): Pick<Certificate, 'basicConstraints' | 'keyUsage' | 'extendedKeyUsage'> {
  const valueOf = (oid: string): { readonly value: unknown } | undefined => {
    const found = extensions.find(({ extnID }) => extnID === oid)
    return found && { value: found.parsedValue }
  }
  const constraints = valueOf(extensionOids.basicConstraints)
  const usage = valueOf(extensionOids.keyUsage)
  const purposes = valueOf(extensionOids.extendedKeyUsage)
  return {
    ...(constraints && { basicConstraints: readConstraints(constraints.value, BasicConstraints) }),
    ...(usage && { keyUsage: readUsage(usage.value) }),
    ...(purposes && { extendedKeyUsage: readPurposes(purposes.value, ExtKeyUsage) }),
  }
}

function readConstraints(
  value: unknown,
  BasicConstraints: typeof Pkijs.BasicConstraints,
): NonNullable<Certificate['basicConstraints']> {
  if (!(value instanceof BasicConstraints)) throw new Error('its basic constraints cannot be read')
  const { cA, pathLenConstraint } = value
  if (pathLenConstraint === undefined) return { isAuthority: cA }
  if (typeof pathLenConstraint !== 'number' || pathLenConstraint < 0)
    throw new Error('its path length is no number')
  return { isAuthority: cA, pathLength: pathLenConstraint }
}

function readUsage(value: unknown): readonly [number, number] {
  const bytes = (value as { valueBlock?: { valueHexView?: Uint8Array } } | undefined)?.valueBlock
    ?.valueHexView
  if (!bytes || bytes.length === 0 || bytes.length > 2) throw new Error('its key usage cannot be read')
  return [bytes[0] ?? 0, bytes[1] ?? 0]
}

function readPurposes(value: unknown, ExtKeyUsage: typeof Pkijs.ExtKeyUsage): readonly string[] {
  if (!(value instanceof ExtKeyUsage)) throw new Error('its extended key usage cannot be read')
  return value.keyPurposes
}
