import { createHash } from 'node:crypto'
import { isSignedBy, parseVerificationKey } from '../../keys/verification-key.ts'
import { parseTrustedRoot } from '../../trusted-roots/parse-trusted-root.ts'
import type {
  CertificateIdentity,
  Claim,
  KeyAlgorithm,
  KeyIdentity,
  Signer,
  VerificationKey,
} from '../../types.ts'
import { matchIdentity } from './match-identity.ts'
import { nothingProven, proveTime, type Proof } from './prove-time.ts'
import { readCertificate, type SigningCertificate } from './read-certificate.ts'
import { Refusal, untrusted } from './refusal.ts'
import type { Material, SignedContent } from './signed-content.ts'
import { verifyChain } from './verify-chain.ts'

/** Whose signature it is, and what is proven of its time. */
export interface SignedBy {
  readonly signer: Signer
  readonly keyAlgorithm: KeyAlgorithm
  readonly proof: Proof
  readonly certificate?: NonNullable<Claim['certificate']>
}

/** One signature, with what is needed to ask each signer about it. */
interface Case {
  readonly content: SignedContent
  readonly material: Material
  readonly now: number
  /** Read when the first signer needs it. */
  readonly certificate: () => Promise<SigningCertificate>
}

/**
 * Finds the signer that made a signature, among keys and certificate identities. Throws `Refusal` when it is none of
 * them, or when it is, but what came along does not hold.
 */
export async function findSigner(
  content: SignedContent,
  material: Material,
  { signers, now }: { readonly signers: readonly Signer[]; readonly now: number },
): Promise<SignedBy> {
  let reading: Promise<SigningCertificate> | undefined
  const certificate = (): Promise<SigningCertificate> =>
    (reading ??= readCertificate(material.certificates[0]!))
  let first: Refusal | undefined
  for (const signer of inOrder(signers, material)) {
    try {
      const found = await askSigner(signer, { content, material, now, certificate })
      if (found) return found
    } catch (error) {
      first ??= asRefusal(signer, error)
    }
  }
  throw first ?? (await madeByNobody(material, certificate))
}

const standing = { compromised: 0, revoked: 1, active: 2, 'verify-only': 2 } as const

/**
 * Where two identities fit one certificate, the one that counts for less decides. The key that a bundle hints at is
 * tried first.
 */
function inOrder(signers: readonly Signer[], { hint }: Material): Signer[] {
  const rank = ({ state, identity }: Signer): number =>
    standing[state] * 2 + (identity.kind === 'key' && hint !== undefined && isHinted(identity, hint) ? 0 : 1)
  return signers.toSorted((left, right) => rank(left) - rank(right))
}

async function askSigner(signer: Signer, asked: Case): Promise<SignedBy | undefined> {
  const { identity } = signer
  if (identity.kind === 'key') return askKey(signer, identity, asked)
  if (identity.kind === 'certificate' && asked.material.certificates.length > 0) {
    return askCertificate(signer, identity, asked)
  }
  return undefined
}

async function askKey(
  signer: Signer,
  { publicKey, trustedRoot }: KeyIdentity,
  { content, material, now }: Case,
): Promise<SignedBy | undefined> {
  const { key, algorithm } = keyOf(publicKey)
  if (!isSignedBy({ key, algorithm }, content.message, content.signature)) return undefined
  const hasWitnesses = material.logEntries.length > 0 || material.timestamps.length > 0
  const proof =
    trustedRoot !== undefined && hasWitnesses
      ? await proveTime(content, material, { key }, await parseTrustedRoot(trustedRoot), now)
      : nothingProven
  return { signer, keyAlgorithm: algorithm, proof }
}

async function askCertificate(
  signer: Signer,
  identity: CertificateIdentity,
  { content, material, now, certificate }: Case,
): Promise<SignedBy | undefined> {
  const leaf = await certificate()
  const subject = matchIdentity(identity, leaf)
  if (subject === undefined) return undefined
  const { verificationKey, issuer, der } = leaf
  if (!isSignedBy(verificationKey, content.message, content.signature)) {
    throw untrusted('the key of the certificate did not make the signature')
  }
  const root = await parseTrustedRoot(identity.trustedRoot)
  const proof = await proveTime(content, material, { key: verificationKey.key, certificate: der }, root, now)
  if (!proof.isLogged && !identity.withoutLog)
    throw untrusted('no trusted transparency log has seen the signature')
  // Without a proven time the signature may be of this moment, so the certificate has to be valid now.
  const times = proof.times.length > 0 ? proof.times : [now]
  await verifyChain(leaf, material.certificates.slice(1), times, root, identity.withoutSct ?? false)
  return {
    signer,
    keyAlgorithm: verificationKey.algorithm,
    proof,
    certificate: { subject, ...(issuer === undefined ? {} : { issuer }) },
  }
}

/** The libraries throw errors of many kinds for what they were given; whatever it is, the answer is no. */
function asRefusal(signer: Signer, error: unknown): Refusal {
  const status = error instanceof Refusal ? error.status : 'untrusted'
  return new Refusal(status, `of signer ${signer.name}: ${(error as Error).message}`, error)
}

async function madeByNobody(
  material: Material,
  certificate: () => Promise<SigningCertificate>,
): Promise<Refusal> {
  if (material.certificates.length === 0) return untrusted('no trusted key made this signature')
  try {
    const { names, issuer } = await certificate()
    const from = issuer === undefined ? '' : `, issuer ${issuer}`
    return untrusted(
      `no trusted signer goes by the certificate's name (${names.join(', ') || 'none'}${from})`,
    )
  } catch (error) {
    return error as Refusal
  }
}

interface CachedKey extends VerificationKey {
  /** Base64 of the SHA-256 of the DER, as bundles hint at it. */
  readonly hint: string
}

const maximumCached = 1024
const cachedKeys = new Map<string, CachedKey>()

/** Throws KEY_INVALID. */
function keyOf(pem: string): CachedKey {
  const known = cachedKeys.get(pem)
  if (known) return known
  const parsed = parseVerificationKey(pem)
  const der = parsed.key.export({ type: 'spki', format: 'der' })
  const cached = { ...parsed, hint: createHash('sha256').update(der).digest('base64') }
  if (cachedKeys.size >= maximumCached) cachedKeys.clear()
  cachedKeys.set(pem, cached)
  return cached
}

function isHinted({ publicKey }: KeyIdentity, hint: string): boolean {
  try {
    return keyOf(publicKey).hint === hint
  } catch {
    // A key that cannot be read is told of when it is asked.
    return false
  }
}
