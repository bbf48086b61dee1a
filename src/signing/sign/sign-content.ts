import type { SerializedBundle } from '@sigstore/bundle'
import type { Bundle } from '@sigstore/sign'
import { SigningFailure } from '../failures.ts'
import { bundleMediaType, encodeStatement, statementType, type Statement } from '../sign-statement.ts'
import type { LayerAnnotations } from './attachments.ts'
import type { Signatory } from './signatory.ts'

/** A signed statement: as a bundle, and as cosign kept it before there were bundles. */
export interface SignedStatement {
  /** Sigstore bundle, version 0.3. */
  readonly bundle: Buffer
  /** DSSE envelope. */
  readonly envelope: Buffer
  readonly annotations: LayerAnnotations
}

/** Signs an in-toto statement (DSSE). */
export async function signStatementBy(
  { maker, witnesses, hint }: Signatory,
  statement: Statement,
): Promise<SignedStatement> {
  const { DSSEBundleBuilder } = await import('@sigstore/sign')
  const builder = new DSSEBundleBuilder({ signer: maker, witnesses: [...witnesses] })
  const bundle = await create(hint, () =>
    builder.create({ data: encodeStatement(statement), type: statementType }),
  )
  const { dsseEnvelope } = bundle
  if (!dsseEnvelope) throw new Error('a signed statement has no envelope')
  const { payloadType, payload, signatures } = dsseEnvelope
  const envelope = {
    payloadType,
    payload,
    signatures: signatures.map(({ sig }) => ({ keyid: '', sig })),
  }
  return {
    bundle: Buffer.from(JSON.stringify(bundle)),
    envelope: Buffer.from(JSON.stringify(envelope)),
    annotations: annotationsOf(bundle),
  }
}

/** Signs bytes as they are. */
export async function signBytesBy(
  { maker, witnesses, hint }: Signatory,
  bytes: Buffer,
): Promise<{
  readonly bundle: Buffer
  readonly signature: Buffer
  readonly annotations: LayerAnnotations
}> {
  const { MessageSignatureBundleBuilder } = await import('@sigstore/sign')
  const builder = new MessageSignatureBundleBuilder({ signer: maker, witnesses: [...witnesses] })
  const bundle = await create(hint, () => builder.create({ data: bytes }))
  const signature = Buffer.from(bundle.messageSignature?.signature ?? '', 'base64')
  return { bundle: Buffer.from(JSON.stringify(bundle)), signature, annotations: annotationsOf(bundle) }
}

async function create(hint: string | undefined, make: () => Promise<Bundle>): Promise<SerializedBundle> {
  const { bundleToJSON } = await import('@sigstore/bundle')
  try {
    return inOneForm(bundleToJSON(await make()), hint)
  } catch (error) {
    if (error instanceof SigningFailure) throw error
    const { message, cause } = error as Error & { cause?: Error }
    throw new SigningFailure(
      'SIGNING_FAILED',
      `nothing was signed: ${message}${cause ? ` (${cause.message})` : ''}`,
    )
  }
}

/**
 * Version 0.3, which names the certificate alone. The library writes signatures of bytes in version 0.2 with a chain,
 * though only ever of one certificate, and knows no hint without writing it elsewhere too.
 */
function inOneForm(bundle: SerializedBundle, hint: string | undefined): SerializedBundle {
  const { publicKey, x509CertificateChain, certificate: alone, ...rest } = bundle.verificationMaterial
  const certificate = alone ?? x509CertificateChain?.certificates[0]
  const verificationMaterial = {
    ...(certificate ? { certificate } : { publicKey: hint === undefined ? publicKey : { hint } }),
    ...rest,
  }
  return { ...bundle, mediaType: bundleMediaType, verificationMaterial } as SerializedBundle
}

/** The material of a bundle as cosign writes it beside a layer (cosign, `pkg/oci/static`). */
function annotationsOf({ verificationMaterial }: SerializedBundle): LayerAnnotations {
  const { certificate, tlogEntries, timestampVerificationData } = verificationMaterial
  // The types promise a list; without witnesses there is none.
  const entry = (tlogEntries as typeof tlogEntries | undefined)?.[0]
  const [timestamp] = timestampVerificationData?.rfc3161Timestamps ?? []
  return {
    ...(certificate
      ? {
          'dev.sigstore.cosign/certificate': pemOf(certificate.rawBytes),
          'dev.sigstore.cosign/chain': '',
        }
      : {}),
    ...(entry?.inclusionPromise
      ? {
          'dev.sigstore.cosign/bundle': JSON.stringify({
            SignedEntryTimestamp: entry.inclusionPromise.signedEntryTimestamp,
            Payload: {
              body: entry.canonicalizedBody,
              integratedTime: Number(entry.integratedTime),
              logIndex: Number(entry.logIndex),
              logID: Buffer.from(entry.logId.keyId, 'base64').toString('hex'),
            },
          }),
        }
      : {}),
    ...(timestamp
      ? {
          'dev.sigstore.cosign/rfc3161timestamp': JSON.stringify({
            SignedRFC3161Timestamp: timestamp.signedTimestamp,
          }),
        }
      : {}),
  }
}

function pemOf(base64: string): string {
  const lines = base64.match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
