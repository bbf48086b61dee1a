import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { ScanningFailure } from '../../failures.ts'

/** The digest that goes with a key; Ed25519 has its own. Throws for other kinds of keys. */
function digestFor(key: KeyObject): 'sha256' | null {
  if (key.asymmetricKeyType === 'ed25519') return null
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'sha256'
  throw new ScanningFailure('BUNDLE_INVALID', 'a bundle is signed with an Ed25519 or an ECDSA P-256 key')
}

/** The signature over a manifest's bytes, in base64. */
export function signManifest(manifest: Buffer, key: KeyObject): string {
  return sign(digestFor(key), manifest, key).toString('base64')
}

/** True when one of the keys made the signature. */
export function isSignedBy(manifest: Buffer, signature: string, keys: readonly KeyObject[]): boolean {
  const bytes = Buffer.from(signature.trim(), 'base64')
  return keys.some((key) => verify(digestFor(key), manifest, key, bytes))
}

/** Reads a public key: PEM, or the base64 of its DER form as it goes over the wire. */
export function readPublicKey(text: string): KeyObject {
  try {
    const key = text.includes('-----BEGIN')
      ? createPublicKey(text)
      : createPublicKey({ key: Buffer.from(text, 'base64url'), format: 'der', type: 'spki' })
    digestFor(key)
    return key
  } catch (error) {
    if (error instanceof ScanningFailure) throw error
    throw new ScanningFailure('BUNDLE_INVALID', 'the public key cannot be read', { cause: error })
  }
}
