import type { AlgorithmInfo, Key } from 'openpgp'
import { SigningFailure } from '../../failures.ts'
import type { KeyAlgorithm } from '../../types.ts'
import { loadOpenpgp } from './library.ts'

const maximumKeyCharacters = 64 * 1024
const maximumRsaBits = 8192
const supported =
  'RSA of 2048 to 8192 bits, ECDSA on P-256, P-384 or P-521, and Ed25519 are supported, with self-signatures of SHA-256 or better'
const exportAgain = 'export the public key with "gpg --armor --export KEY"'

/**
 * Reads one public key in ASCII armor. Throws SIGNER_INVALID, with the remedy, for one with which nothing could ever
 * be verified: not when it has expired, which depends on the time that is asked about.
 */
export async function parseOpenpgpKey(armored: string): Promise<Key> {
  const key = await readOneKey(armored)
  // Of any kind and by anybody: when in doubt it is revoked. What is behind a time in it, its holder could write too.
  if (key.revocationSignatures.length > 0) {
    throw invalid(`the key ${nameOf(key)} is revoked; name its successor instead`)
  }
  const { strict } = await loadOpenpgp()
  try {
    const signing = await key.getSigningKey(undefined, null, undefined, strict)
    algorithmOfOpenpgpKey(signing.getAlgorithmInfo())
  } catch (error) {
    const algorithms = key.getKeys().map((each) => describeAlgorithm(each.getAlgorithmInfo()))
    throw invalid(
      `nothing that ${nameOf(key)} (${algorithms.join(', ')}) signs can be verified: ${(error as Error).message}. ${supported}`,
      error,
    )
  }
  return key
}

async function readOneKey(armored: string): Promise<Key> {
  if (armored.length > maximumKeyCharacters) {
    throw invalid(
      `it has ${armored.length} characters, at most ${maximumKeyCharacters} are read; leave signatures of others out with "gpg --armor --export-options export-minimal --export KEY"`,
    )
  }
  if (armored.includes('-----BEGIN PGP PRIVATE KEY')) {
    throw invalid(`this is a private key, which nobody but its holder may have; ${exportAgain}`)
  }
  if (armored.split('-----BEGIN PGP').length > 2)
    throw invalid(`there is more than one block; ${exportAgain}`)
  const keys = await readAll(armored)
  const [key] = keys
  if (!key) throw invalid(`there is no key in it; ${exportAgain}`)
  if (keys.length > 1) {
    throw invalid(`there are ${keys.length} keys in it, and a signer has one; ${exportAgain} for each`)
  }
  if (key.isPrivate()) {
    throw invalid(`this is a private key, which nobody but its holder may have; ${exportAgain}`)
  }
  return key
}

async function readAll(armored: string): Promise<Key[]> {
  const { readKeys, strict } = await loadOpenpgp()
  try {
    return await readKeys({ armoredKeys: armored, config: strict })
  } catch (error) {
    throw invalid(
      `there is no key in it that can be read: ${(error as Error).message}; ${exportAgain}`,
      error,
    )
  }
}

/** Our name of an algorithm. Throws an error that tells which it is. */
export function algorithmOfOpenpgpKey(info: AlgorithmInfo): KeyAlgorithm {
  const { algorithm, bits = 0, curve } = info
  if (algorithm === 'rsaEncryptSign' || algorithm === 'rsaSign') {
    if (bits >= 2048 && bits <= maximumRsaBits) return 'rsa'
  }
  if (algorithm === 'ecdsa' && curve === 'nistP256') return 'ecdsa-p256'
  if (algorithm === 'ecdsa' && curve === 'nistP384') return 'ecdsa-p384'
  if (algorithm === 'ecdsa' && curve === 'nistP521') return 'ecdsa-p521'
  if (algorithm === 'ed25519' || (algorithm === 'eddsaLegacy' && curve === 'ed25519Legacy')) return 'ed25519'
  throw new Error(`its algorithm is ${describeAlgorithm(info)}`)
}

function describeAlgorithm({ algorithm, bits, curve }: AlgorithmInfo): string {
  return [algorithm, curve, bits === undefined ? undefined : `${bits} bits`].filter(Boolean).join(' ')
}

function nameOf(key: Key): string {
  return key.getFingerprint().toUpperCase()
}

function invalid(why: string, cause?: unknown): SigningFailure {
  return new SigningFailure('SIGNER_INVALID', `this OpenPGP key cannot be used: ${why}`, { cause })
}
