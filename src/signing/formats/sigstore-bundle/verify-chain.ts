import type { X509Certificate } from '@sigstore/core'
import type { Authority, TrustedRoot } from '../../trusted-roots/parse-trusted-root.ts'
import type { SigningCertificate } from './read-certificate.ts'
import { untrusted } from './refusal.ts'

/** RFC 5280 section 4.2: who does not know a critical extension has to refuse the certificate. */
const understood = new Set(['2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.32', '2.5.29.37'])
const nameConstraints = '2.5.29.30'
const extendedKeyUsage = '2.5.29.37'
const codeSigning = ['1.3.6.1.5.5.7.3.3', '2.5.29.37.0']

/**
 * Checks that a certificate was valid at every one of these times, and all of its chain to an authority of the
 * root, and that a certificate transparency log has seen it. `withoutSct`: none need have, but one that the root
 * has a log for is checked all the same. `intermediates` were sent along by the signer and are believed only as far
 * as an authority has issued them. Throws.
 */
export async function verifyChain(
  leaf: SigningCertificate,
  intermediates: readonly Buffer[],
  times: readonly number[],
  root: TrustedRoot,
  withoutSct: boolean,
): Promise<void> {
  const { verifySCTs } = await import('@sigstore/verify/dist/key/sct.js')
  for (const time of new Set(times)) {
    const path = await findPath(leaf.parsed, intermediates, new Date(time), root.certificateAuthorities)
    for (const certificate of path) checkExtensions(certificate)
    const [, issuer] = path
    if (!issuer) throw untrusted('the certificate was issued by nobody')
    if (withoutSct && root.ctlogs.length === 0) continue
    const seenBy = verifySCTs(leaf.parsed, issuer, root.ctlogs)
    if (seenBy.length === 0 && !withoutSct)
      throw untrusted('no certificate transparency log has seen the certificate')
  }
}

/** The certificates from the leaf to the root, each valid at the time. */
async function findPath(
  leaf: X509Certificate,
  intermediates: readonly Buffer[],
  time: Date,
  authorities: readonly Authority[],
): Promise<X509Certificate[]> {
  const { verifyCertificateChain } = await import('@sigstore/verify/dist/key/certificate.js')
  const extended: Authority[] = []
  for (const authority of authorities) {
    extended.push({ ...authority, certChain: await extendChain(authority, intermediates, time) })
  }
  try {
    return verifyCertificateChain(time, leaf, extended)
  } catch (error) {
    throw untrusted(
      `no trusted authority has issued the certificate, or something in its chain was not valid at ${time.toISOString()}`,
      error,
    )
  }
}

/** Adds the intermediates that are issued below an authority, so that nothing else ever stands in its chain. */
async function extendChain(
  { certChain }: Authority,
  intermediates: readonly Buffer[],
  time: Date,
): Promise<X509Certificate[]> {
  if (intermediates.length === 0) return certChain
  const [{ X509Certificate: Parser }, { CertificateChainVerifier }] = await Promise.all([
    import('@sigstore/core'),
    import('@sigstore/verify/dist/key/certificate.js'),
  ])
  const chain = [...certChain]
  // Sent from the leaf upwards: the one nearest to the root comes first here.
  for (const der of intermediates.toReversed()) {
    try {
      const untrustedCert = Parser.parse(Buffer.from(der))
      new CertificateChainVerifier({ trustedCerts: chain, untrustedCert, timestamp: time }).verify()
      if (untrustedCert.isCA) chain.push(untrustedCert)
    } catch {
      // Of no use, and of no harm: it is left out.
    }
  }
  return chain
}

/** The library looks at none of these: what limits an authority is not taken for less than it says. */
function checkExtensions(certificate: X509Certificate): void {
  for (const { subs } of certificate.extensions) {
    const oid = subs[0]?.toOID() ?? ''
    const isCritical = subs.length === 3 && subs[1]?.toBoolean() === true
    if (oid === nameConstraints || (isCritical && !understood.has(oid))) {
      throw untrusted(`a certificate in the chain has the extension ${oid}, which is not understood`)
    }
  }
  const usages = certificate.extension(extendedKeyUsage)?.valueObj.subs[0]?.subs
  if (usages && !usages.some((usage) => codeSigning.includes(usage.toOID()))) {
    throw untrusted('a certificate in the chain is not for signing code')
  }
}
