import { createHash, X509Certificate } from 'node:crypto'
import { SigningFailure } from '../failures.ts'
import { parseVerificationKey } from '../keys/verification-key.ts'
import type { NotationIdentity, SignerIdentity } from '../types.ts'

/** Throws KEY_INVALID or SIGNER_INVALID, with the remedy, for an identity that nothing could be verified with. */
export async function checkIdentity(identity: SignerIdentity): Promise<void> {
  switch (identity.kind) {
    case 'key':
      parseVerificationKey(identity.publicKey)
      if (identity.trustedRoot !== undefined) await checkTrustedRoot(identity.trustedRoot)
      return
    case 'certificate':
      return checkTrustedRoot(identity.trustedRoot)
    case 'notation':
      return checkNotation(identity)
    case 'openpgp': {
      const { parseOpenpgpKey } = await import('../formats/openpgp/index.ts')
      await parseOpenpgpKey(identity.publicKey)
    }
  }
}

async function checkTrustedRoot(text: string): Promise<void> {
  const { parseTrustedRoot } = await import('../trusted-roots/index.ts')
  await parseTrustedRoot(text)
}

async function checkNotation({
  authorities,
  timestampAuthorities,
  subject,
}: NotationIdentity): Promise<void> {
  for (const pem of [...authorities, ...timestampAuthorities]) checkAuthority(pem)
  const { parseSubject } = await import('../x509/index.ts')
  if (subject !== '*') parseSubject(subject)
}

function checkAuthority(pem: string): void {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch (error) {
    throw new SigningFailure('SIGNER_INVALID', `this is no certificate in PEM: ${(error as Error).message}`)
  }
  if (certificate.ca) return
  const name = certificate.subject.replaceAll('\n', ', ')
  throw new SigningFailure('SIGNER_INVALID', `${name} is no authority; give the root certificate`)
}

/** SHA-256 of the key in its binary form, or of all of an identity that is not a key. */
export async function fingerprintOf(identity: SignerIdentity): Promise<string> {
  return `sha256:${createHash('sha256')
    .update(await essenceOf(identity))
    .digest('hex')}`
}

async function essenceOf(identity: SignerIdentity): Promise<Uint8Array | string> {
  switch (identity.kind) {
    case 'key':
      return parseVerificationKey(identity.publicKey).key.export({ type: 'spki', format: 'der' })
    case 'certificate': {
      // The same name from the same issuer is the same person, whatever roots are trusted for it.
      const { subject, match, issuer = '' } = identity
      return JSON.stringify(['certificate', match, subject, issuer])
    }
    case 'notation':
      return JSON.stringify(['notation', identity.subject, identity.authorities.map(binaryOf).toSorted()])
    case 'openpgp': {
      const { parseOpenpgpKey } = await import('../formats/openpgp/index.ts')
      return (await parseOpenpgpKey(identity.publicKey)).getFingerprint()
    }
  }
}

function binaryOf(pem: string): string {
  return new X509Certificate(pem).fingerprint256
}
