import { algorithmOfKey } from '../keys/verification-key.ts'
import { CertificateError } from './certificate-error.ts'
import { extensionOids, readCertificate, type Certificate } from './read-certificate.ts'

/** Whom to believe, and for what. */
export interface ChainQuestion {
  readonly leaf: Certificate
  /** What came along, in any order; believed only as far as a root has issued it. */
  readonly intermediates: readonly Certificate[]
  /** DER: the trust store. */
  readonly roots: readonly Buffer[]
  /** Milliseconds; every certificate has to be valid at each of them. */
  readonly times: readonly number[]
  readonly purpose: 'codeSigning' | 'timeStamping'
}

/** Certificates from the leaf to the root, both counted. */
export const maximumChainLength = 8

const purposes = { codeSigning: '1.3.6.1.5.5.7.3.3', timeStamping: '1.3.6.1.5.5.7.3.8' } as const
const anyPurpose = '2.5.29.37.0'
/** Any, for servers, for clients and for e-mail. */
const foreignPurposes = [anyPurpose, '1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.4']
/** RFC 5280 section 4.2: who does not know a critical extension has to refuse the certificate. */
const understood = new Set<string>(['2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.32', '2.5.29.37'])

/**
 * Verifies a chain by the Notary Project's signature specification, "Certificate Requirements": from the leaf up to a
 * certificate that signed itself, with the leaf's issuer, or one above it, in the trust store byte for byte (a leaf
 * that signed itself has to be in there itself). Stricter than that where RFC 5280 is: unknown critical extensions
 * and name constraints are refused. Gives the chain, leaf first. Throws `CertificateError`.
 */
export async function verifyChain(question: ChainQuestion): Promise<readonly Certificate[]> {
  const { leaf, intermediates, times, purpose } = question
  const roots = await Promise.all(question.roots.map(readCertificate))
  const chain = findChain(leaf, [...roots, ...intermediates])
  const anchors = chain.length === 1 ? chain : chain.slice(1)
  if (!anchors.some(({ der }) => roots.some((root) => root.der.equals(der)))) {
    throw new CertificateError(`no trusted authority has issued the certificate of ${leaf.name}`)
  }
  checkLeaf(leaf, purpose)
  for (const [below, authority] of chain.slice(1).entries()) checkAuthority(authority, below, purpose)
  for (const certificate of chain) checkEach(certificate, times)
  return chain
}

/** The trust store stands first among the candidates, so that a cross-signed twin never leads past it. */
function findChain(leaf: Certificate, candidates: readonly Certificate[]): Certificate[] {
  const chain = [leaf]
  for (let last = leaf; !isSelfSigned(last);) {
    const issuer = candidates.find((candidate) => !chain.includes(candidate) && isIssuedBy(last, candidate))
    if (!issuer) throw new CertificateError(`whoever issued the certificate of ${last.name} is missing`)
    if (chain.push(issuer) > maximumChainLength) {
      throw new CertificateError(`the chain has more than ${maximumChainLength} certificates`)
    }
    last = issuer
  }
  return chain
}

function isIssuedBy({ x509 }: Certificate, issuer: Certificate): boolean {
  return x509.checkIssued(issuer.x509) && x509.verify(issuer.x509.publicKey)
}

/** Without asking whether it may issue others: a leaf that signed itself may not, and is its own root. */
function isSelfSigned({ x509 }: Certificate): boolean {
  return x509.subject === x509.issuer && x509.verify(x509.publicKey)
}

const bits = { digitalSignature: 0x80, nonRepudiation: 0x40, certificateSigning: 0x04 } as const

function checkLeaf(leaf: Certificate, purpose: ChainQuestion['purpose']): void {
  const { keyUsage, extendedKeyUsage: found } = leaf
  if (leaf.basicConstraints?.isAuthority) throw refused(leaf, 'is that of an authority, which signs no code')
  if (!keyUsage || !isCritical(leaf, extensionOids.keyUsage)) {
    throw refused(leaf, 'has no key usage that is critical')
  }
  const others = (keyUsage[0] & ~(bits.digitalSignature | bits.nonRepudiation)) | keyUsage[1]
  if ((keyUsage[0] & bits.digitalSignature) === 0 || others !== 0) {
    throw refused(leaf, 'is not for signatures alone')
  }
  if (!found) {
    // RFC 3161 section 2.3 insists on it; for code it is optional.
    if (purpose === 'timeStamping') throw refused(leaf, 'is not for timestamps')
    return
  }
  const isForeign = found.some(
    (oid) => foreignPurposes.includes(oid) || (isPurpose(oid) && oid !== purposes[purpose]),
  )
  if (isForeign || !found.includes(purposes[purpose])) {
    throw refused(leaf, `is not for ${purpose} alone`)
  }
  if (purpose === 'codeSigning') return
  if (found.length !== 1 || !isCritical(leaf, extensionOids.extendedKeyUsage)) {
    throw refused(leaf, 'is for timestamps, but not alone, or not critically so')
  }
}

function isPurpose(oid: string): boolean {
  return Object.values<string>(purposes).includes(oid)
}

/** `below` counts the authorities between this one and the leaf. */
function checkAuthority(authority: Certificate, below: number, purpose: ChainQuestion['purpose']): void {
  const { basicConstraints, keyUsage, extendedKeyUsage } = authority
  if (!basicConstraints?.isAuthority || !isCritical(authority, extensionOids.basicConstraints)) {
    throw refused(authority, 'is not that of an authority')
  }
  if (
    !keyUsage ||
    !isCritical(authority, extensionOids.keyUsage) ||
    (keyUsage[0] & bits.certificateSigning) === 0
  ) {
    throw refused(authority, 'may not issue certificates')
  }
  if (below > (basicConstraints.pathLength ?? Infinity)) {
    throw refused(
      authority,
      `allows ${basicConstraints.pathLength} authorities below it, and there are ${below}`,
    )
  }
  if (extendedKeyUsage && ![purposes[purpose], anyPurpose].some((oid) => extendedKeyUsage.includes(oid))) {
    throw refused(authority, `may not issue certificates for ${purpose}`)
  }
}

function checkEach(certificate: Certificate, times: readonly number[]): void {
  const { notBefore, notAfter, extensions, signatureHash } = certificate
  for (const time of times) {
    if (!(notBefore <= time && time <= notAfter)) {
      throw refused(certificate, `was not valid at ${new Date(time).toISOString()}`)
    }
  }
  if (signatureHash === undefined) throw refused(certificate, 'is not signed with SHA-2 by RSA or ECDSA')
  const strange = extensions.find(
    ({ oid, isCritical: critical }) =>
      oid === extensionOids.nameConstraints || (critical && !understood.has(oid)),
  )
  if (strange) throw refused(certificate, `has the extension ${strange.oid}, which is not understood`)
  checkKey(certificate)
}

function checkKey(certificate: Certificate): void {
  let algorithm: string
  try {
    algorithm = algorithmOfKey(certificate.x509.publicKey)
  } catch (error) {
    throw refused(certificate, `has a key that is not taken: ${(error as Error).message}`)
  }
  if (algorithm === 'ed25519') throw refused(certificate, 'has an Ed25519 key; RSA and ECDSA are taken')
}

function isCritical({ extensions }: Certificate, wanted: string): boolean {
  return extensions.some(({ oid, isCritical: critical }) => oid === wanted && critical)
}

function refused({ name }: Certificate, why: string): CertificateError {
  return new CertificateError(`the certificate of ${name || 'nobody'} ${why}`)
}
