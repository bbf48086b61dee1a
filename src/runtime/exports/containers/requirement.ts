import type { SignaturePolicy } from '../../../policy/offline.ts'
import type { CertificateIdentity, KeyIdentity, OpenpgpIdentity, Signer } from '../../../signing/offline.ts'
import { whyKeyCannotCount } from '../ask-signers.ts'
import { readTrustedRootParts } from '../trusted-root-parts.ts'
import type { SignedIdentity } from './identity.ts'
import { readArmor } from './read-armor.ts'

/** containers-policy.json(5), "Policy Requirements". Data is base64. */
export type Requirement =
  | { readonly type: 'insecureAcceptAnything' | 'reject' }
  | {
      readonly type: 'signedBy'
      readonly keyType: 'GPGKeys'
      readonly keyData: string
      readonly signedIdentity: SignedIdentity
    }
  | ({ readonly type: 'sigstoreSigned'; readonly signedIdentity: SignedIdentity } & SigstoreTrust)

type SigstoreTrust = {
  readonly keyData?: string
  readonly keyDatas?: readonly string[]
  readonly fulcio?: { readonly caData: string; readonly oidcIssuer: string; readonly subjectEmail: string }
  readonly pki?: {
    readonly caRootsData: string
    readonly caIntermediatesData?: string
    readonly subjectEmail?: string
    readonly subjectHostname?: string
  }
  readonly rekorPublicKeyData?: string
  readonly rekorPublicKeyDatas?: readonly string[]
}

/** A requirement that some signers of a group can meet, and why the others cannot. */
export interface GroupRequirement {
  readonly requirement?: Requirement
  readonly leftOut: readonly string[]
}

interface Candidate {
  readonly signers: readonly Signer[]
  readonly requirement: Requirement
}

/**
 * What containers/image can ask so that only signers of the group can answer. Keys can stand for each other; a
 * certificate stands alone. So of a mixed group the part with most signers is asked, which is stricter.
 */
export function requirementFor(
  group: readonly Signer[],
  policy: SignaturePolicy,
  signedIdentity: SignedIdentity,
): GroupRequirement {
  const leftOut: string[] = []
  const usable = group.filter((signer) => {
    const why = whyNotAskable(signer, policy)
    if (why !== undefined) leftOut.push(`${signer.name} (${why})`)
    return why === undefined
  })
  const candidates = [
    keyCandidate(usable, policy, signedIdentity),
    openpgpCandidate(usable, signedIdentity),
    ...usable.map((signer) => certificateCandidate(signer, signedIdentity)),
  ].filter((candidate) => candidate !== undefined)
  const [best] = candidates.toSorted((left, right) => right.signers.length - left.signers.length)
  if (!best) return { leftOut }
  const others = usable.filter((signer) => !best.signers.includes(signer))
  return {
    requirement: best.requirement,
    leftOut: [...leftOut, ...others.map(({ name }) => `${name} (only one kind of signer can be asked)`)],
  }
}

function whyNotAskable({ identity }: Signer, policy: SignaturePolicy): string | undefined {
  const { formats, requireLog } = policy
  if (identity.kind === 'notation') return 'Notary Project signatures are not read'
  if (identity.kind === 'openpgp') {
    if (!formats.includes('openpgp')) return 'the format openpgp does not count here'
    if (requireLog) return 'OpenPGP signatures are in no log'
    return readArmor(identity.publicKey) ? undefined : 'its key is not ASCII-armored'
  }
  // Bundles are not read: what cosign 3 writes by default is not seen.
  if (!formats.includes('cosign-legacy'))
    return 'only the format cosign-legacy is read, which does not count here'
  if (identity.kind === 'certificate') return whyNotCertificate(identity, policy)
  if (requireLog && rekorKeys(identity).length === 0) return 'it has no trusted root with a log'
  return whyKeyCannotCount(identity.publicKey, policy)
}

function whyNotCertificate(
  identity: CertificateIdentity,
  { requireLog }: SignaturePolicy,
): string | undefined {
  const { subject, match, issuer, withoutLog = false } = identity
  if (match !== 'exact') return 'a pattern of names cannot be asked'
  if (readTrustedRootParts(identity.trustedRoot).authorities.length === 0) return 'its root has no authority'
  if (issuer !== undefined) {
    if (!subject.includes('@')) return 'of keyless certificates only e-mail addresses can be asked'
    if (rekorKeys(identity).length === 0) return 'its root has no log'
    return undefined
  }
  if (requireLog || !withoutLog) return 'a log cannot be asked for a certificate without an issuer'
  return subject.includes('://') ? 'a URI cannot be asked' : undefined
}

function keyCandidate(
  signers: readonly Signer[],
  { requireLog }: SignaturePolicy,
  signedIdentity: SignedIdentity,
): Candidate | undefined {
  const keys = signers.filter((one): one is Signer & { identity: KeyIdentity } => one.identity.kind === 'key')
  if (keys.length === 0) return undefined
  const data = keys.map(({ identity }) => toBase64(identity.publicKey))
  return {
    signers: keys,
    requirement: {
      type: 'sigstoreSigned',
      // The plural is younger: older readers know the other.
      ...(data.length === 1 ? { keyData: data[0] as string } : { keyDatas: data }),
      ...(requireLog ? logTrust(keys.flatMap(({ identity }) => rekorKeys(identity))) : {}),
      signedIdentity,
    },
  }
}

function openpgpCandidate(signers: readonly Signer[], signedIdentity: SignedIdentity): Candidate | undefined {
  const keys = signers.filter(
    (one): one is Signer & { identity: OpenpgpIdentity } => one.identity.kind === 'openpgp',
  )
  if (keys.length === 0) return undefined
  const keyring = Buffer.concat(keys.map(({ identity }) => readArmor(identity.publicKey) as Buffer))
  return {
    signers: keys,
    requirement: {
      type: 'signedBy',
      keyType: 'GPGKeys',
      keyData: keyring.toString('base64'),
      signedIdentity,
    },
  }
}

function certificateCandidate(signer: Signer, signedIdentity: SignedIdentity): Candidate | undefined {
  const { identity } = signer
  if (identity.kind !== 'certificate') return undefined
  const chains = readTrustedRootParts(identity.trustedRoot).authorities.map(({ chain }) => chain)
  const { issuer, subject } = identity
  const trust: SigstoreTrust =
    issuer === undefined
      ? { pki: pkiTrust(chains, subject) }
      : {
          fulcio: { caData: toBase64(chains.flat().join('')), oidcIssuer: issuer, subjectEmail: subject },
          ...logTrust(rekorKeys(identity)),
        }
  return { signers: [signer], requirement: { type: 'sigstoreSigned', ...trust, signedIdentity } }
}

function pkiTrust(
  chains: readonly (readonly string[])[],
  subject: string,
): NonNullable<SigstoreTrust['pki']> {
  const roots = chains.map((chain) => chain.at(-1) as string)
  const intermediates = chains.flatMap((chain) => chain.slice(0, -1))
  return {
    caRootsData: toBase64(roots.join('')),
    ...(intermediates.length > 0 ? { caIntermediatesData: toBase64(intermediates.join('')) } : {}),
    ...(subject.includes('@') ? { subjectEmail: subject } : { subjectHostname: subject }),
  }
}

function logTrust(keys: readonly string[]): SigstoreTrust {
  const data = [...new Set(keys)].map(toBase64)
  return data.length === 1 ? { rekorPublicKeyData: data[0] } : { rekorPublicKeyDatas: data }
}

/** Only ECDSA keys of logs are understood there. */
function rekorKeys({ trustedRoot }: { readonly trustedRoot?: string }): string[] {
  if (trustedRoot === undefined) return []
  return readTrustedRootParts(trustedRoot)
    .logs.map(({ publicKey }) => publicKey)
    .filter(isEcdsa)
}

function isEcdsa(publicKey: string): boolean {
  // The object identifier of EC public keys, 1.2.840.10045.2.1, stands near the start of the key.
  const der = Buffer.from(publicKey.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64')
  return der.subarray(0, 16).includes(Buffer.from('2a8648ce3d0201', 'hex'))
}

function toBase64(text: string): string {
  return Buffer.from(text).toString('base64')
}
