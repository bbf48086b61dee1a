import type * as openpgp from 'openpgp'

type Library = typeof openpgp

/** The library, with what it is to refuse beyond what it refuses by itself. */
export interface Openpgp extends Library {
  readonly strict: openpgp.Config
}

let loading: Promise<Openpgp> | undefined

/** Loaded when the first OpenPGP key or signature is met: most servers never meet one. */
export function loadOpenpgp(): Promise<Openpgp> {
  return (loading ??= import('openpgp').then((library) => ({ ...library, strict: strictConfig(library) })))
}

function strictConfig({ config, enums }: Library): openpgp.Config {
  const { hash, publicKey, curve } = enums
  return {
    ...config,
    minRSABits: 2048,
    // Of all signatures, also those by which a key binds its names and subkeys to itself.
    rejectHashAlgorithms: new Set([hash.md5, hash.sha1, hash.ripemd]),
    rejectPublicKeyAlgorithms: new Set([publicKey.elgamal, publicKey.dsa, publicKey.ed448]),
    rejectCurves: new Set([
      curve.secp256k1,
      curve.brainpoolP256r1,
      curve.brainpoolP384r1,
      curve.brainpoolP512r1,
    ]),
    // What is given to the library is uncompressed already.
    maxDecompressedMessageSize: 0,
  }
}
