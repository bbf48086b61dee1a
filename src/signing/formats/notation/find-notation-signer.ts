import { algorithmOfKey } from '../../keys/verification-key.ts'
import { verifyTimestamp } from '../../timestamps/index.ts'
import { readPemBlocks } from '../../trusted-roots/pem.ts'
import type { NotationIdentity, Signer } from '../../types.ts'
import { hasAttributes, parseSubject, verifyChain } from '../../x509/index.ts'
import type { SignedBy } from '../sigstore-bundle/find-signer.ts'
import { nothingProven, type Proof } from '../sigstore-bundle/prove-time.ts'
import { type Refusal, untrusted } from '../sigstore-bundle/refusal.ts'
import type { Chain } from './check-signature.ts'
import type { SignedEnvelope } from './signed-envelope.ts'

type Signed = Pick<SignedEnvelope, 'signature' | 'timestamp'> & { readonly chain: Chain }

/** Where two signers fit one certificate, the one that counts for less decides. */
const standing = { compromised: 0, revoked: 1, active: 2, 'verify-only': 2 } as const

/**
 * Finds the signer whose trust store and name fit a certificate that is known to have signed. Throws `Refusal` when
 * there is none.
 */
export async function findNotationSigner(
  signed: Signed,
  { signers, now }: { readonly signers: readonly Signer[]; readonly now: number },
): Promise<SignedBy> {
  let first: Refusal | undefined
  for (const signer of signers.toSorted((left, right) => standing[left.state] - standing[right.state])) {
    if (signer.identity.kind !== 'notation') continue
    try {
      const found = await askSigner(signer, signer.identity, signed, now)
      if (found) return found
    } catch (error) {
      // Certificates and timestamps are refused with errors of many kinds; whatever it is, the answer is no.
      first ??= untrusted(`of signer ${signer.name}: ${(error as Error).message}`, error)
    }
  }
  throw (
    first ?? untrusted(`no trusted signer goes by the certificate's name (${signed.chain[0].name || 'none'})`)
  )
}

async function askSigner(
  signer: Signer,
  identity: NotationIdentity,
  signed: Signed,
  now: number,
): Promise<SignedBy | undefined> {
  const [leaf, ...intermediates] = signed.chain
  const { subject } = identity
  if (subject !== '*' && !hasAttributes(leaf.subject, parseSubject(subject))) return undefined
  const stamped = await proveTime(identity, signed)
  // Without a proven time the signature may be of this moment, so that the chain has to be valid now.
  const times = stamped ? [stamped.from, stamped.to] : [now]
  const roots = readRoots(identity.authorities)
  const chain = await verifyChain({ leaf, intermediates, roots, times, purpose: 'codeSigning' })
  checkOrder(signed.chain, chain)
  const proof: Proof = stamped ? { times: [stamped.to], isLogged: false, isTimestamped: true } : nothingProven
  const keyAlgorithm = algorithmOfKey(leaf.x509.publicKey)
  return { signer, keyAlgorithm, proof, certificate: { subject: leaf.name } }
}

/** A token that the signer's authorities can judge has to be good; without any authority it proves nothing. */
async function proveTime(
  { timestampAuthorities }: NotationIdentity,
  { signature, timestamp }: Signed,
): Promise<{ readonly from: number; readonly to: number } | undefined> {
  if (timestampAuthorities.length === 0 || timestamp === undefined) return undefined
  return verifyTimestamp({ token: timestamp, message: signature, roots: readRoots(timestampAuthorities) })
}

function readRoots(pem: readonly string[]): Buffer[] {
  return pem.flatMap((text) => readPemBlocks(text, 'CERTIFICATE'))
}

/** "Other requirements": the leaf, then every issuer in order up to the root, and nothing else. */
function checkOrder(sent: Chain, verified: readonly Chain[0][]): void {
  const isSame =
    sent.length === verified.length && sent.every(({ der }, index) => verified[index]?.der.equals(der))
  if (!isSame) throw untrusted('its certificates are not the whole chain in order')
}
