import { createHash, type Hash } from 'node:crypto'
import { KernelFailure } from './failure.ts'

declare const digestBrand: unique symbol
/** A checked digest, `sha256:<64 hex>` or `sha512:<128 hex>` (image-spec, "Digests"). */
export type Digest = string & { readonly [digestBrand]: true }

export type DigestAlgorithm = 'sha256' | 'sha512'

const hexLengths: Readonly<Record<DigestAlgorithm, number>> = { sha256: 64, sha512: 128 }
const grammar = /^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]+$/

/** Parses a digest. Throws `DIGEST_INVALID` that says what is wrong with it. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text
  const shown = JSON.stringify(text.slice(0, 160))
  const [algorithm = ''] = text.split(':', 1)
  if (grammar.test(text) && !(algorithm in hexLengths)) {
    throw new KernelFailure(
      'DIGEST_INVALID',
      `digest algorithm ${JSON.stringify(algorithm)} is not supported; use sha256 or sha512`,
    )
  }
  throw new KernelFailure(
    'DIGEST_INVALID',
    `${shown} is not a digest; expected sha256:<64 lower-case hex> or sha512:<128 lower-case hex>`,
  )
}

export function isDigest(text: string): text is Digest {
  const colon = text.indexOf(':')
  const length = hexLengths[text.slice(0, colon) as DigestAlgorithm]
  return (
    colon === 6 && length !== undefined && text.length === colon + 1 + length && isLowerHex(text, colon + 1)
  )
}

export function algorithmOf(digest: Digest): DigestAlgorithm {
  return digest.slice(0, 6) as DigestAlgorithm
}

/** The part after the colon. */
export function hexOf(digest: Digest): string {
  return digest.slice(7)
}

/** The digest of bytes that are in memory. */
export function digestOf(bytes: Uint8Array | string, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return finishDigest(algorithm, createHash(algorithm).update(bytes))
}

/** Ends a running hash and gives its digest. The hash cannot be used afterwards. */
export function finishDigest(algorithm: DigestAlgorithm, hash: Hash): Digest {
  return `${algorithm}:${hash.digest('hex')}` as Digest
}

function isLowerHex(text: string, from: number): boolean {
  for (let index = from; index < text.length; index++) {
    const code = text.charCodeAt(index)
    const isHex = (code >= 48 && code <= 57) || (code >= 97 && code <= 102)
    if (!isHex) return false
  }
  return true
}
