import { createPublicKey, sign, type KeyObject } from 'node:crypto'
import { SigningFailure } from '../../failures.ts'
import { readPemBlocks } from '../../trusted-roots/pem.ts'
import type { Subject } from '../../types.ts'
import { readCertificate, verifyChain, type Certificate } from '../../x509/index.ts'
import { signatureAlgorithmOf, type SignatureAlgorithm } from './algorithms.ts'
import { names, payloadType, scheme } from './signed-envelope.ts'

/** What to sign, and with what. */
export interface NotationOrder {
  readonly subject: Subject
  /** Private; RSA of 2048, 3072 or 4096 bits, or on P-256, P-384 or P-521. */
  readonly key: KeyObject
  /** PEM: the key's certificate, its issuers in order, the root last. */
  readonly certificateChain: readonly string[]
  readonly now: number
  /** After `now`; whole seconds count. */
  readonly expiresAt?: number
}

/**
 * Makes a Notary Project signature: the JWS envelope, to be attached as the layer `application/jose+json` of a
 * manifest with the artifact type `notationArtifactType`. Throws KEY_INVALID for a key or chain that no verifier
 * would take, and RangeError for an expiry that has passed.
 */
export async function signNotation(order: NotationOrder): Promise<Buffer> {
  const { subject, key, now, expiresAt } = order
  if (expiresAt !== undefined && toSeconds(expiresAt) <= toSeconds(now)) {
    throw new RangeError('a signature has to expire after it was made')
  }
  const chain = await checkChain(order)
  const algorithm = algorithmOf(chain[0]!, key)
  const { digest, mediaType, size } = subject
  const payload = toBase64Url({ targetArtifact: { mediaType, digest, size } })
  const head = toBase64Url(headersOf(algorithm, now, expiresAt))
  const signature = sign(algorithm.hash, Buffer.from(`${head}.${payload}`), { key, ...algorithm.options })
  const header = { x5c: chain.map(({ der }) => der.toString('base64')), [names.agent]: 'pratique' }
  return Buffer.from(
    JSON.stringify({ payload, protected: head, header, signature: signature.toString('base64url') }),
  )
}

function headersOf({ name }: SignatureAlgorithm, now: number, expiresAt: number | undefined): object {
  const expiry = expiresAt === undefined ? {} : { [names.expiry]: toText(expiresAt) }
  return {
    alg: name,
    crit: [names.scheme, ...Object.keys(expiry)],
    cty: payloadType,
    ...expiry,
    [names.scheme]: scheme,
    [names.signingTime]: toText(now),
  }
}

async function checkChain({ certificateChain, now }: NotationOrder): Promise<readonly Certificate[]> {
  try {
    const ders = certificateChain.flatMap((text) => readPemBlocks(text, 'CERTIFICATE'))
    const [leaf, ...issuers] = await Promise.all(ders.map(readCertificate))
    if (!leaf) throw new Error('it is empty')
    const roots = ders.slice(-1)
    const question = { leaf, intermediates: issuers, roots, times: [now], purpose: 'codeSigning' } as const
    const chain = await verifyChain(question)
    if (chain.length !== ders.length || !chain.every(({ der }, index) => der.equals(ders[index]!))) {
      throw new Error('it is not in order')
    }
    return chain
  } catch (error) {
    throw new SigningFailure(
      'KEY_INVALID',
      `the chain of certificates cannot sign: ${(error as Error).message}; give the key's certificate first, then its issuers, the root last`,
    )
  }
}

function algorithmOf({ x509 }: Certificate, key: KeyObject): SignatureAlgorithm {
  const algorithm = signatureAlgorithmOf(x509.publicKey)
  if (!algorithm) {
    throw new SigningFailure(
      'KEY_INVALID',
      'the key is not RSA of 2048, 3072 or 4096 bits, or on P-256, P-384 or P-521',
    )
  }
  if (!createPublicKey(key).equals(x509.publicKey)) {
    throw new SigningFailure('KEY_INVALID', 'the first certificate is not that of the key')
  }
  return algorithm
}

function toBase64Url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function toSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}

/** RFC 3339 without fractions, as the specification recommends. */
function toText(milliseconds: number): string {
  return new Date(toSeconds(milliseconds) * 1000).toISOString().replace('.000Z', 'Z')
}
