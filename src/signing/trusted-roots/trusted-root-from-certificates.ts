import { createHash, createPublicKey, X509Certificate, type KeyObject } from 'node:crypto'
import { SigningFailure } from '../failures.ts'
import { algorithmOfKey } from '../keys/verification-key.ts'
import type { KeyAlgorithm } from '../types.ts'
import { readPemBlocks } from './pem.ts'

/** What an administrator of a private PKI has at hand: PEM texts, each of one or more blocks. */
export interface TrustedRootParts {
  /** Roots and intermediates whose certificates sign. */
  readonly authorities: readonly string[]
  /** Certificates that sign timestamps, with the intermediates and roots above them. */
  readonly timestampAuthorities?: readonly string[]
  /** Public keys of transparency logs (Rekor). */
  readonly rekorKeys?: readonly string[]
  /** Public keys of certificate transparency logs. */
  readonly ctKeys?: readonly string[]
}

/** sigstore protobuf-specs, `PublicKeyDetails`. */
const keyDetails: Readonly<Record<KeyAlgorithm, string>> = {
  'ecdsa-p256': 'PKIX_ECDSA_P256_SHA_256',
  'ecdsa-p384': 'PKIX_ECDSA_P384_SHA_384',
  'ecdsa-p521': 'PKIX_ECDSA_P521_SHA_512',
  ed25519: 'PKIX_ED25519',
  rsa: 'PKIX_RSA_PKCS1V15_2048_SHA256',
}
const timeStamping = '1.3.6.1.5.5.7.3.8'

/**
 * Makes a Sigstore `trusted_root.json` of certificates and keys. Certificates are believed for as long as they are
 * valid, the keys of logs from the start of the oldest root on, as keys have no dates of their own. Throws
 * SIGNER_INVALID.
 */
export function trustedRootFromCertificates(parts: TrustedRootParts): string {
  const authorities = readCertificates(parts.authorities)
  const other = authorities.find(({ ca }) => !ca)
  if (other) throw invalid(`${nameOf(other)} is that of no authority; give those above it`)
  const roots = authorities.filter(isRoot)
  if (roots.length === 0) throw invalid('there is no root certificate; add the root of the authority')
  const chains = roots.map((root) => [...issuedBelow(root, authorities), root])
  const orphan = authorities.find((certificate) => !chains.some((chain) => chain.includes(certificate)))
  if (orphan) throw invalid(`there is no root above ${nameOf(orphan)}; add it`)
  const start = new Date(Math.min(...roots.map(({ validFrom }) => Date.parse(validFrom)))).toISOString()
  return JSON.stringify({
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: readLogs(parts.rekorKeys ?? [], start),
    certificateAuthorities: chains.map((chain) => describe(chain, chain.at(-1)!)),
    ctlogs: readLogs(parts.ctKeys ?? [], start),
    timestampAuthorities: stampers(readCertificates(parts.timestampAuthorities ?? [])),
  })
}

/** A timestamp authority is the certificate that signs, and all above it in order. */
function stampers(certificates: readonly X509Certificate[]): object[] {
  const leaves = certificates.filter(
    ({ ca, keyUsage }) => !ca && (keyUsage as readonly string[] | undefined)?.includes(timeStamping),
  )
  if (certificates.length > 0 && leaves.length === 0) {
    throw invalid('no certificate is for timestamps; add the one that signs them to the roots above it')
  }
  return leaves.map((leaf) => describe([leaf, ...issuersOf(leaf, certificates)], leaf))
}

function issuersOf(leaf: X509Certificate, pool: readonly X509Certificate[]): X509Certificate[] {
  const chain: X509Certificate[] = []
  let current = leaf
  while (!isRoot(current)) {
    const issuer = pool.find((candidate) => candidate.ca && isIssuedBy(current, candidate))
    if (!issuer || chain.includes(issuer)) throw invalid(`there is no root above ${nameOf(leaf)}; add it`)
    chain.push(issuer)
    current = issuer
  }
  return chain
}

/** Intermediates below a root, whatever the depth. */
function issuedBelow(root: X509Certificate, pool: readonly X509Certificate[]): X509Certificate[] {
  const found = new Set<X509Certificate>([root])
  for (const issuer of found) {
    for (const candidate of pool) if (isIssuedBy(candidate, issuer)) found.add(candidate)
  }
  found.delete(root)
  return [...found]
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

function isRoot(certificate: X509Certificate): boolean {
  return certificate.ca && isIssuedBy(certificate, certificate)
}

function describe(chain: readonly X509Certificate[], { validFrom, validTo }: X509Certificate): object {
  return {
    certChain: { certificates: chain.map(({ raw }) => ({ rawBytes: raw.toString('base64') })) },
    validFor: { start: new Date(validFrom).toISOString(), end: new Date(validTo).toISOString() },
  }
}

function readCertificates(texts: readonly string[]): X509Certificate[] {
  try {
    const blocks = texts.flatMap((text) => readPemBlocks(text, 'CERTIFICATE'))
    return blocks.map((der) => new X509Certificate(der))
  } catch (error) {
    throw invalid((error as Error).message)
  }
}

function readLogs(texts: readonly string[], start: string): object[] {
  try {
    const blocks = texts.flatMap((text) => readPemBlocks(text, 'PUBLIC KEY'))
    return blocks.map((der) => describeLog(createPublicKey({ key: der, format: 'der', type: 'spki' }), start))
  } catch (error) {
    throw invalid((error as Error).message)
  }
}

/** RFC 6962 section 3.2: a log goes by the SHA-256 of its key. */
function describeLog(key: KeyObject, start: string): object {
  const der = key.export({ type: 'spki', format: 'der' })
  return {
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: der.toString('base64'),
      keyDetails: keyDetails[algorithmOfKey(key)],
      validFor: { start },
    },
    logId: { keyId: createHash('sha256').update(der).digest('base64') },
  }
}

function nameOf(certificate: X509Certificate): string {
  return `the certificate of "${certificate.subject.replaceAll('\n', ', ')}"`
}

function invalid(why: string): SigningFailure {
  return new SigningFailure('SIGNER_INVALID', `no trusted root can be made of this: ${why}`)
}
