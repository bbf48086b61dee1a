import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { JsonError, parseStrictJsonBytes } from '../kernel/json.ts'
import { SigningFailure } from './failures.ts'
import type { SignatureEvidence } from './types.ts'

/** A key that the administrator trusts. */
export interface TrustedKey {
  readonly name: string
  readonly key: KeyObject
}

/** Cosign's simple signing payload (its SIGNATURE_SPEC, "Payload"). */
const Payload = Type.Object({
  critical: Type.Object({
    identity: Type.Object({ 'docker-reference': Type.String() }),
    image: Type.Object({ 'docker-manifest-digest': Type.String() }),
    type: Type.String(),
  }),
  optional: Type.Optional(Type.Union([Type.Null(), Type.Record(Type.String(), Type.Unknown())])),
})
const payloadType = 'cosign container image signature'
/** Other members of `critical` are ones that we would have to understand. */
const criticalMembers = ['identity', 'image', 'type']

/** Reads a public key in PEM. Only ECDSA on P-256 is taken. Throws KEY_INVALID. */
export function parsePublicKey(pem: string): KeyObject {
  let key: KeyObject
  try {
    if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(pem)) throw new Error('no "BEGIN PUBLIC KEY" block')
    key = createPublicKey(pem)
  } catch (error) {
    throw new SigningFailure('KEY_INVALID', `this is not a public key in PEM: ${(error as Error).message}`)
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
    const found = `${type}${details?.namedCurve ? ` ${details.namedCurve}` : ''}`
    throw new SigningFailure('KEY_INVALID', `the key is ${found}; ECDSA on P-256 is what is supported`)
  }
  return key
}

/**
 * Judges one signature over a payload: the bytes as they are stored, for this digest and no other. A
 * signature is looked at with every trusted key; which one fits is found by trying.
 */
export function verifyPayload(
  payload: Uint8Array,
  signatureBase64: string,
  digest: string,
  keys: readonly TrustedKey[],
): SignatureEvidence {
  const malformed = (why: string): SignatureEvidence => ({ status: 'malformed', why })
  let document: unknown
  try {
    document = parseStrictJsonBytes(payload, 16)
  } catch (error) {
    if (error instanceof JsonError) return malformed(`the payload is ${error.message}`)
    throw error
  }
  if (!Value.Check(Payload, document)) return malformed('the payload is not a simple signing document')
  const { critical } = document
  const unknown = Object.keys(critical).find((member) => !criticalMembers.includes(member))
  if (unknown !== undefined) return malformed(`critical member ${JSON.stringify(unknown)} is not understood`)
  if (critical.type !== payloadType)
    return malformed(`the payload's type is ${JSON.stringify(critical.type)}`)
  const reference = critical.identity['docker-reference']
  if (critical.image['docker-manifest-digest'] !== digest) {
    return { status: 'malformed', reference, why: 'the payload is about another image' }
  }
  if (!/^[A-Za-z0-9+/]{1,400}={0,2}$/.test(signatureBase64)) return malformed('the signature is not base64')
  const signature = Buffer.from(signatureBase64, 'base64')
  const signer = keys.find(({ key }) => verify('sha256', payload, { key, dsaEncoding: 'der' }, signature))
  if (!signer) return { status: 'untrusted', reference, why: 'no trusted key made this signature' }
  return { status: 'verified', key: signer.name, reference }
}
