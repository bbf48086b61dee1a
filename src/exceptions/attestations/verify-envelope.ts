import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { Type, type Static } from 'typebox'
import { ExceptionFailure } from '../failures.ts'

const maximumSignatures = 16
const maximumPayloadLength = 12 * 1024 * 1024

/** A signed payload (DSSE, "Envelope"). */
export const Envelope = Type.Object({
  payloadType: Type.String({ maxLength: 200 }),
  payload: Type.String({ maxLength: maximumPayloadLength }),
  signatures: Type.Array(Type.Object({ sig: Type.String({ maxLength: 2_000 }) }), {
    minItems: 1,
    maxItems: maximumSignatures,
  }),
})
export type Envelope = Static<typeof Envelope>

/** A key whose VEX is believed. */
export interface VexKey {
  readonly name: string
  readonly key: KeyObject
}

/** Says who signed a message, if it was somebody who is trusted. */
export type VerifyMessage = (message: Uint8Array, signature: Uint8Array) => string | undefined

/** Reads a public key in PEM: ECDSA on P-256, or Ed25519. Throws SIGNER_INVALID. */
export function parseVexKey(pem: string): KeyObject {
  let key: KeyObject
  try {
    if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(pem)) throw new Error('no "BEGIN PUBLIC KEY" block')
    key = createPublicKey(pem)
  } catch (error) {
    throw new ExceptionFailure(
      'SIGNER_INVALID',
      `this is not a public key in PEM: ${(error as Error).message}`,
    )
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'ed25519' || (type === 'ec' && details?.namedCurve === 'prime256v1')) return key
  throw new ExceptionFailure('SIGNER_INVALID', `the key is ${type}; ECDSA on P-256 and Ed25519 are supported`)
}

/** A verifier with the trusted keys; which of them fits is found by trying. */
export function verifierOf(keys: readonly VexKey[]): VerifyMessage {
  return (message, signature) => keys.find(({ key }) => isSignedWith(key, message, signature))?.name
}

function isSignedWith(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return key.asymmetricKeyType === 'ed25519'
      ? verify(null, message, key, signature)
      : verify('sha256', message, { key, dsaEncoding: 'der' }, signature)
  } catch {
    return false
  }
}

/** What is signed of an envelope (DSSE, "Signature Definition": PAE). */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType)
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ])
}

/** The payload, and whose signature it carries; undefined when none of them is one that is trusted. */
export function openEnvelope(
  envelope: Envelope,
  verifyMessage: VerifyMessage,
): { payload: Buffer; signer: string } | undefined {
  const payload = decodeBase64(envelope.payload)
  if (!payload) return undefined
  const message = preAuthenticationEncoding(envelope.payloadType, payload)
  for (const { sig } of envelope.signatures) {
    const signature = decodeBase64(sig)
    const signer = signature && verifyMessage(message, signature)
    if (signer !== undefined) return { payload, signer }
  }
  return undefined
}

/** DSSE: "either standard or URL-safe". */
function decodeBase64(text: string): Buffer | undefined {
  return /^[A-Za-z0-9+/_-]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined
}
