import { createPublicKey, X509Certificate } from 'node:crypto'
import type { X509Certificate as SigstoreCertificate } from '@sigstore/core'
import { algorithmOfKey } from '../../keys/verification-key.ts'
import type { VerificationKey } from '../../types.ts'
import { Refusal, untrusted } from './refusal.ts'

/** What a certificate says. Its authority has not been looked at. */
export interface SigningCertificate {
  readonly der: Buffer
  /** As the sigstore libraries want it. */
  readonly parsed: SigstoreCertificate
  readonly verificationKey: VerificationKey
  /** E-mail addresses, URIs and DNS names. */
  readonly names: readonly string[]
  /** Who told Fulcio the name. */
  readonly issuer?: string
}

/** Fulcio, "OID Information": the issuer as raw bytes, and later as a DER string. */
const issuerOid = '1.3.6.1.4.1.57264.1.1'
const issuerStringOid = '1.3.6.1.4.1.57264.1.8'
const codeSigning = '1.3.6.1.5.5.7.3.3'
/** RFC 5280 section 4.2.1.6: tags of GeneralName. */
const nameTags = { email: 1, dns: 2, uri: 6 } as const
const maximumName = 2048
const utf8StringTag = 0x0c

/** Reads the certificate of a signer. Throws `Refusal` when it is not one that can sign code. */
export async function readCertificate(der: Buffer): Promise<SigningCertificate> {
  const { X509Certificate: Parser } = await import('@sigstore/core')
  try {
    const parsed = Parser.parse(Buffer.from(der))
    const certificate = new X509Certificate(der)
    checkPurpose(parsed, certificate)
    const issuer = readIssuer(parsed)
    // Of the same reading over which the signature of its authority will be verified.
    const key = createPublicKey({ key: parsed.publicKey, format: 'der', type: 'spki' })
    return {
      der,
      parsed,
      verificationKey: { key, algorithm: algorithmOfKey(key) },
      names: readNames(parsed),
      ...(issuer === undefined ? {} : { issuer }),
    }
  } catch (error) {
    const status = error instanceof Refusal ? error.status : 'malformed'
    throw new Refusal(status, `the certificate cannot be used: ${(error as Error).message}`, error)
  }
}

/** An authority, or a certificate for something else such as a web server, signs no code (RFC 5280 section 4.2.1). */
function checkPurpose(parsed: SigstoreCertificate, { ca, keyUsage }: X509Certificate): void {
  const purposes = keyUsage as readonly string[] | undefined
  const oids = parsed.extensions.map(({ subs }) => subs[0]?.toOID())
  if (new Set(oids).size !== oids.length) throw untrusted('an extension stands in it twice')
  if (ca || parsed.isCA) throw untrusted('it is that of an authority')
  if (purposes && !purposes.includes(codeSigning)) throw untrusted('it is not for signing code')
  if (parsed.extKeyUsage?.digitalSignature === false) throw untrusted('its key is not for signatures')
}

function readNames({ extSubjectAltName }: SigstoreCertificate): string[] {
  const tags = Object.values(nameTags)
  const names = extSubjectAltName?.valueObj.subs[0]?.subs ?? []
  return names
    .filter(({ tag }) => tags.some((wanted) => tag.isContextSpecific(wanted)))
    .map(({ value }) => readName(value))
}

/** RFC 5280 section 4.2.1.6: IA5String; what is not printable would only be there to deceive. */
function readName(value: Buffer): string {
  const isPrintable = value.every((byte) => byte > 0x20 && byte < 0x7f)
  if (!isPrintable || value.length === 0 || value.length > maximumName)
    throw untrusted('a name in it is not printable')
  return value.toString('latin1')
}

function readIssuer(certificate: SigstoreCertificate): string | undefined {
  const raw = certificate.extension(issuerOid)?.value
  const string = certificate.extension(issuerStringOid)?.value
  const found = [...(raw ? [readName(raw)] : []), ...(string ? [readName(unwrapString(string))] : [])]
  if (found.length === 2 && found[0] !== found[1]) throw untrusted('it names two different issuers')
  return found[0]
}

/** A DER UTF8String of less than 128 bytes, or with one or two bytes of length. */
function unwrapString(der: Buffer): Buffer {
  const [tag, length = 0] = der
  const lengthBytes = length < 0x80 ? 0 : length - 0x80
  const content = der.subarray(2 + lengthBytes)
  const stated = lengthBytes === 0 ? length : der.readUIntBE(2, lengthBytes)
  if (tag !== utf8StringTag || lengthBytes > 2 || stated !== content.length) {
    throw untrusted('its issuer is not a UTF8String')
  }
  return content
}
