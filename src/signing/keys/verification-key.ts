import { createPublicKey, verify, type KeyObject } from 'node:crypto'
import { createRequire } from 'node:module'
import type * as Curves from '@noble/curves/ed25519.js'
import { SigningFailure } from '../failures.ts'
import type { KeyAlgorithm, VerificationKey } from '../types.ts'

const curves: Readonly<Record<string, KeyAlgorithm>> = {
  prime256v1: 'ecdsa-p256',
  secp384r1: 'ecdsa-p384',
  secp521r1: 'ecdsa-p521',
}
const minimumRsaBits = 2048
const maximumRsaBits = 8192

/** Reads a public key in PEM (SPKI). Throws KEY_INVALID that says which keys are understood. */
export function parseVerificationKey(pem: string): VerificationKey {
  let key: KeyObject
  try {
    if (!/^\s*-----BEGIN PUBLIC KEY-----/.test(pem)) throw new Error('no "BEGIN PUBLIC KEY" block')
    key = createPublicKey(pem)
  } catch (error) {
    throw new SigningFailure('KEY_INVALID', `this is not a public key in PEM: ${(error as Error).message}`)
  }
  return { key, algorithm: algorithmOfKey(key) }
}

/** The algorithm of a public key. Throws KEY_INVALID. */
export function algorithmOfKey(key: KeyObject): KeyAlgorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  const curve = curves[details?.namedCurve ?? '']
  if (type === 'ec' && curve) return curve
  if (type === 'ed25519') return 'ed25519'
  const bits = details?.modulusLength ?? 0
  if (type === 'rsa' && bits >= minimumRsaBits && bits <= maximumRsaBits) return 'rsa'
  const found = [type, details?.namedCurve, bits > 0 ? `${bits} bits` : undefined].filter(Boolean).join(' ')
  throw new SigningFailure(
    'KEY_INVALID',
    `the key is ${found}; ECDSA on P-256, P-384 or P-521, Ed25519, and RSA of ${minimumRsaBits} to ${maximumRsaBits} bits are supported`,
  )
}

/**
 * Whether a key made a signature over a message, as cosign's tools use each algorithm: the algorithm is the
 * key's, never the signature's word. ECDSA signatures are ASN.1 DER. P-384 and P-521 were hashed with SHA-256 by
 * cosign 2 and with the curve's own hash by cosign 3; Ed25519 is plain in cosign 2 and Ed25519ph in cosign 3.
 */
export function isSignedBy(
  { key, algorithm }: VerificationKey,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    switch (algorithm) {
      case 'ed25519':
        return verify(null, message, key, signature) || isPrehashedEd25519(key, message, signature)
      case 'rsa':
      case 'ecdsa-p256':
        return verify('sha256', message, { key, dsaEncoding: 'der' }, signature)
      case 'ecdsa-p384':
      case 'ecdsa-p521': {
        const own = algorithm === 'ecdsa-p384' ? 'sha384' : 'sha512'
        return [own, 'sha256'].some((hash) => verify(hash, message, { key, dsaEncoding: 'der' }, signature))
      }
    }
  } catch {
    return false
  }
}

function isPrehashedEd25519(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  // Rare, and large: loaded when such a signature is met.
  const { ed25519ph } = createRequire(import.meta.url)('@noble/curves/ed25519.js') as typeof Curves
  const point = Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
  return ed25519ph.verify(signature, message, point)
}
