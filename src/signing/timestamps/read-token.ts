import type { Attribute, SignedData, SignerInfo, TSTInfo } from 'pkijs'
import { TimestampError } from './timestamp-error.ts'

/** A timestamp token taken apart; nothing of it is verified. */
export interface Token {
  readonly info: TSTInfo
  /** The DER of `info`, which the signed attributes name by digest. */
  readonly content: Buffer
  readonly signerInfo: SignerInfo
  /** What the signature is over: the signed attributes as a SET. */
  readonly signedBytes: Buffer
  readonly attributes: ReadonlyMap<string, Attribute>
  /** DER, in the order of the token. */
  readonly certificates: readonly Buffer[]
}

const signedData = '1.2.840.113549.1.7.2'
const timestampInfo = '1.2.840.113549.1.9.16.1.4'
const maximumCertificates = 16

/** Reads a `TimeStampToken` (RFC 3161 section 2.4.2): CMS signed data with one signer, around a `TSTInfo`. */
export async function readToken(der: Buffer): Promise<Token> {
  const [pkijs, asn1js] = await Promise.all([import('pkijs'), import('asn1js')])
  const parsed = asn1js.fromBER(Uint8Array.from(der).buffer)
  if (parsed.offset !== der.length) throw new TimestampError('it is not one value in DER')
  const outer = new pkijs.ContentInfo({ schema: parsed.result })
  if (outer.contentType !== signedData) throw new TimestampError('it is no signed data')
  const signed = new pkijs.SignedData({ schema: outer.content })
  const content = readContent(signed)
  const info = pkijs.TSTInfo.fromBER(Uint8Array.from(content).buffer)
  const [signerInfo, ...others] = signed.signerInfos
  if (!signerInfo || others.length > 0) throw new TimestampError('it has not one signer')
  return {
    info,
    content,
    signerInfo,
    ...readAttributes(signerInfo),
    certificates: readCertificates(outer.content),
  }
}

function readContent({ encapContentInfo: { eContentType, eContent } }: SignedData): Buffer {
  if (eContentType !== timestampInfo || !eContent) throw new TimestampError('it holds no timestamp')
  return Buffer.from(eContent.getValue())
}

function readAttributes({ signedAttrs }: SignerInfo): Pick<Token, 'signedBytes' | 'attributes'> {
  if (!signedAttrs) throw new TimestampError('it has no signed attributes')
  const attributes = new Map(signedAttrs.attributes.map((attribute) => [attribute.type, attribute]))
  if (attributes.size !== signedAttrs.attributes.length) {
    throw new TimestampError('a signed attribute stands in it twice')
  }
  return { signedBytes: Buffer.from(signedAttrs.encodedValue), attributes }
}

/** A block of ASN.1 as the library gives it. */
export interface Block {
  readonly idBlock: { readonly tagClass: number; readonly tagNumber: number }
  readonly valueBlock: { readonly value?: readonly Block[]; readonly valueHexView?: Uint8Array }
  readonly valueBeforeDecodeView: Uint8Array
}

/** The bytes as they came: what the library would write of them again need not be what was signed. */
function readCertificates(content: unknown): Buffer[] {
  const isCertificates = ({ idBlock }: Block): boolean => idBlock.tagClass === 3 && idBlock.tagNumber === 0
  const found = (content as Block).valueBlock.value?.find(isCertificates)?.valueBlock.value ?? []
  if (found.length > maximumCertificates) {
    throw new TimestampError(`it carries more than ${maximumCertificates} certificates`)
  }
  return found.map((block) => Buffer.from(block.valueBeforeDecodeView))
}
