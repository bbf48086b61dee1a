import { verify } from 'node:crypto'
import { readCertificate, type Certificate } from '../../x509/index.ts'
import { malformed, untrusted } from '../sigstore-bundle/refusal.ts'
import { signatureAlgorithmOf } from './algorithms.ts'
import type { SignedEnvelope } from './signed-envelope.ts'

export type Chain = readonly [leaf: Certificate, ...issuers: Certificate[]]

/**
 * Reads the certificates of an envelope and checks that the key of the first made the signature, with the algorithm
 * that belongs to such a key. The certificates themselves are not believed yet. Throws `Refusal`.
 */
export async function readChain(envelope: SignedEnvelope): Promise<Chain> {
  let chain: Certificate[]
  try {
    chain = await Promise.all(envelope.certificates.map(readCertificate))
  } catch (error) {
    throw malformed((error as Error).message, error)
  }
  const [leaf, ...issuers] = chain
  if (!leaf) throw malformed('there is no certificate')
  checkSignature(envelope, leaf)
  return [leaf, ...issuers]
}

function checkSignature({ algorithm, message, signature }: SignedEnvelope, { x509 }: Certificate): void {
  let isGood: boolean
  try {
    const key = x509.publicKey
    const own = signatureAlgorithmOf(key)
    if (!own)
      throw untrusted(
        'the key of the certificate is not RSA of 2048, 3072 or 4096 bits, or on P-256, P-384 or P-521',
      )
    if (own.name !== algorithm)
      throw untrusted(`the algorithm is ${algorithm}, but the certificate's key makes ${own.name}`)
    isGood = verify(own.hash, message, { key, ...own.options }, signature)
  } catch (error) {
    throw untrusted((error as Error).message, error)
  }
  if (!isGood) throw untrusted('the key of the certificate did not make the signature')
}
