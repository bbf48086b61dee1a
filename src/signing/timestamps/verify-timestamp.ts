import { createHash, verify, constants, type KeyObject } from 'node:crypto'
import type { AlgorithmIdentifier, Attribute } from 'pkijs'
import {
  hashOfSignature,
  readCertificate,
  rsaPss,
  sha2,
  verifyChain,
  type Certificate,
} from '../x509/index.ts'
import { readToken, type Block, type Token } from './read-token.ts'
import { TimestampError } from './timestamp-error.ts'

/** A timestamp, and who may have made it. */
export interface TimestampQuestion {
  /** `TimeStampToken` in DER. */
  readonly token: Buffer
  /** What was stamped. */
  readonly message: Buffer
  /** DER: the trust store of timestamp authorities. */
  readonly roots: readonly Buffer[]
}

export const maximumTokenBytes = 64 * 1024
/** Where an authority does not say how exact it is (ETSI EN 319 421 asks for a second). */
const usualAccuracyMs = 1000

const oids = {
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingCertificate: '1.2.840.113549.1.9.16.2.12',
  signingCertificateV2: '1.2.840.113549.1.9.16.2.47',
  timestampInfo: '1.2.840.113549.1.9.16.1.4',
} as const

/**
 * Verifies an RFC 3161 timestamp token over a message: the imprint, the signature with its signed attributes, and
 * the chain of the authority's certificate to the trust store at that time. Gives the span, in milliseconds, in which
 * the message was stamped. Throws `TimestampError`.
 */
export async function verifyTimestamp(
  question: TimestampQuestion,
): Promise<{ readonly from: number; readonly to: number }> {
  try {
    return await verifyToken(question)
  } catch (error) {
    // The libraries throw errors of many kinds for what they were given; whatever it is, the answer is no.
    throw new TimestampError(`the timestamp does not hold: ${(error as Error).message}`, { cause: error })
  }
}

async function verifyToken({
  token: der,
  message,
  roots,
}: TimestampQuestion): Promise<{ from: number; to: number }> {
  if (der.length > maximumTokenBytes) throw new TimestampError(`it has more than ${maximumTokenBytes} bytes`)
  const token = await readToken(der)
  checkImprint(token, message)
  checkContent(token)
  const certificates = await Promise.all(token.certificates.map(readCertificate))
  const signer = findSigner(token, certificates)
  await checkSignature(token, signer.x509.publicKey)
  const { genTime, accuracy } = token.info
  const time = genTime.getTime()
  const intermediates = certificates.filter((certificate) => certificate !== signer)
  await verifyChain({ leaf: signer, intermediates, roots, times: [time], purpose: 'timeStamping' })
  const { seconds = 0, millis = 0, micros = 0 } = accuracy ?? {}
  const spread = accuracy ? Math.ceil(seconds * 1000 + millis + micros / 1000) : usualAccuracyMs
  return { from: time - spread, to: time + spread }
}

function checkImprint({ info }: Token, message: Buffer): void {
  const { hashAlgorithm, hashedMessage } = info.messageImprint
  if (!isDigestOf(hashAlgorithm, message, hashedMessage.getValue())) {
    throw new TimestampError('it is of something else')
  }
  if (info.version !== 1) throw new TimestampError(`its version is ${info.version}, not 1`)
  const strange = info.extensions?.find(({ critical }) => critical)
  if (strange) throw new TimestampError(`its extension ${strange.extnID} is not understood`)
}

/** RFC 5652 section 5.4: the signature is over attributes that name the content. */
function checkContent({ content, attributes, signerInfo }: Token): void {
  const type = valueOf(attributes.get(oids.contentType)) as { getValue?: () => string } | undefined
  if (type?.getValue?.() !== oids.timestampInfo)
    throw new TimestampError('its signer did not sign a timestamp')
  const digest = bytesOf(valueOf(attributes.get(oids.messageDigest)))
  if (!digest || !isDigestOf(signerInfo.digestAlgorithm, content, digest)) {
    throw new TimestampError('its signer signed something else')
  }
}

/**
 * RFC 3161 section 2.4.2 and RFC 5816: the signed attributes name the certificate. Whatever else names it is not
 * signed, and is not looked at.
 */
function findSigner({ attributes }: Token, certificates: readonly Certificate[]): Certificate {
  const second = attributes.get(oids.signingCertificateV2)
  const first = attributes.get(oids.signingCertificate)
  const names = [
    ...(second ? [readCertificateName(second, 'sha256')] : []),
    ...(first ? [readCertificateName(first, 'sha1')] : []),
  ]
  if (names.length === 0) throw new TimestampError('its signer did not sign which certificate is meant')
  const signer = certificates.find(({ der }) =>
    names.every(({ hash, digest }) => createHash(hash).update(der).digest().equals(digest)),
  )
  if (!signer) throw new TimestampError("its signer's certificate is missing")
  return signer
}

/** `ESSCertID` and `ESSCertIDv2` (RFC 5035): the first is the signer's. */
function readCertificateName(
  attribute: Attribute,
  usual: 'sha1' | 'sha256',
): { readonly hash: string; readonly digest: Buffer } {
  const parts = valueOf(attribute)?.valueBlock.value?.[0]?.valueBlock.value?.[0]?.valueBlock.value ?? []
  const [head, next] = parts
  const own = usual === 'sha256' ? head?.valueBlock.value?.[0] : undefined
  const digest = bytesOf(own ? next : head)
  const hash = own ? sha2[(own as unknown as { getValue: () => string }).getValue()] : usual
  if (!digest || hash === undefined) throw new TimestampError("its signer's certificate is named unreadably")
  return { hash, digest }
}

const rsa = '1.2.840.113549.1.1.1'

async function checkSignature({ signerInfo, signedBytes }: Token, key: KeyObject): Promise<void> {
  const { algorithmId } = signerInfo.signatureAlgorithm
  // RFC 3370 section 3.2: with the plain identifier the hash is that of the content.
  const hash =
    algorithmId === rsa
      ? sha2[signerInfo.digestAlgorithm.algorithmId]
      : hashOfSignature(signerInfo.signatureAlgorithm, await import('pkijs'))
  if (hash === undefined)
    throw new TimestampError(`it is signed with the algorithm ${algorithmId}, which is not taken`)
  const padding = algorithmId === rsaPss ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING
  const how = key.asymmetricKeyType === 'rsa' ? { key, padding } : { key }
  if (!verify(hash, signedBytes, how, Buffer.from(signerInfo.signature.getValue()))) {
    throw new TimestampError('its signature is wrong')
  }
}

function isDigestOf(
  { algorithmId }: AlgorithmIdentifier,
  bytes: Buffer,
  digest: ArrayBuffer | Buffer,
): boolean {
  const hash = sha2[algorithmId]
  if (hash === undefined) throw new TimestampError(`it uses the hash ${algorithmId}; SHA-2 is taken`)
  return createHash(hash)
    .update(bytes)
    .digest()
    .equals(Buffer.from(digest as ArrayBuffer))
}

/** The one value of an attribute. */
function valueOf(attribute: Attribute | undefined): Block | undefined {
  const values = (attribute?.values ?? []) as Block[]
  return values.length === 1 ? values[0] : undefined
}

/** Of an OCTET STRING. */
function bytesOf(block: Block | undefined): Buffer | undefined {
  const isOctets = block?.idBlock.tagClass === 1 && block.idBlock.tagNumber === 4
  const bytes = isOctets ? block.valueBlock.valueHexView : undefined
  return bytes && Buffer.from(bytes)
}
