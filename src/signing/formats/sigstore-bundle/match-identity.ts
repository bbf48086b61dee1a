import { matchesGlob } from '../../../kernel/glob.ts'
import type { CertificateIdentity } from '../../types.ts'
import type { SigningCertificate } from './read-certificate.ts'

/** The name in a certificate that is the one of a signer, if its issuer is too. Always over the whole name. */
export function matchIdentity(
  { subject, match, issuer }: CertificateIdentity,
  certificate: SigningCertificate,
): string | undefined {
  if (issuer !== undefined && certificate.issuer !== issuer) return undefined
  // A part of a URI may be empty, as in `https://`: the matcher takes parts as they are.
  const isMeant =
    match === 'exact' ? (name: string) => name === subject : (name: string) => matchesGlob(subject, name)
  return certificate.names.find(isMeant)
}
