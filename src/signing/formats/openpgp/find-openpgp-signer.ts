import type { Key, KeyID } from 'openpgp'
import type { KeyAlgorithm, OpenpgpIdentity, Signer, VerificationQuestion } from '../../types.ts'
import { malformed, Refusal, untrusted } from '../sigstore-bundle/refusal.ts'
import { loadOpenpgp } from './library.ts'
import { algorithmOfOpenpgpKey, parseOpenpgpKey } from './read-key.ts'

/** Content that somebody who counts has signed. */
export interface Signed {
  readonly content: Uint8Array
  /** What the signature says of its time, in milliseconds since the epoch. */
  readonly createdAt: number
  readonly signer: Signer
  readonly keyAlgorithm: KeyAlgorithm
}

type OpenpgpSigner = Signer & { readonly identity: OpenpgpIdentity }

/** Finds the signer that made the one signature of a message. Throws `Refusal` when it is nobody who counts. */
export async function findOpenpgpSigner(
  message: Uint8Array,
  { signers, now }: Pick<VerificationQuestion, 'signers' | 'now'>,
): Promise<Signed> {
  const issuer = await issuerOf(message)
  let first: Refusal | undefined
  for (const signer of inOrder(signers.filter(isOpenpgp))) {
    try {
      const key = await keyOf(signer.identity.publicKey)
      if (key.getKeys(issuer).length > 0) return await askSigner(signer, key, message, now)
    } catch (error) {
      first ??= asRefusal(signer, error)
    }
  }
  throw first ?? untrusted(`no trusted key made this signature; it says to be made by ${issuer.toHex()}`)
}

function isOpenpgp(signer: Signer): signer is OpenpgpSigner {
  return signer.identity.kind === 'openpgp'
}

const standing = { compromised: 0, revoked: 1, active: 2, 'verify-only': 2 } as const

/** Where two signers share a subkey, the one that counts for less decides. */
function inOrder(signers: readonly OpenpgpSigner[]): OpenpgpSigner[] {
  return signers.toSorted((left, right) => standing[left.state] - standing[right.state])
}

/** An issuer of nothing but zeros means: try them all (RFC 9580, section 5.1). */
const anyKey = '0'.repeat(16)

async function issuerOf(message: Uint8Array): Promise<KeyID> {
  const { readMessage, strict } = await loadOpenpgp()
  try {
    const read = await readMessage({ binaryMessage: message, config: strict })
    const [issuer] = read.getSigningKeyIDs()
    if (issuer && issuer.toHex() !== anyKey) return issuer
  } catch (error) {
    throw malformed(`the message cannot be read: ${(error as Error).message}`, error)
  }
  throw malformed('the signature does not say by which key it was made')
}

async function askSigner(signer: OpenpgpSigner, key: Key, message: Uint8Array, now: number): Promise<Signed> {
  const { readMessage, verify, enums, strict } = await loadOpenpgp()
  const { data, signatures } = await verify({
    // Read again for each: verifying uses a message up.
    message: await readMessage({ binaryMessage: message, config: strict }),
    verificationKeys: [key],
    format: 'binary',
    date: new Date(now),
    config: strict,
  })
  const [result] = signatures
  const [packet] = (await result?.signature)?.packets ?? []
  if (!result || !packet?.created || packet.signatureType !== enums.signature.binary) {
    throw malformed('the signature is of a type that does not sign a document')
  }
  // The library asks whether the key, or the subkey, could sign when the signature says that it was made.
  await result.verified
  // Its holder writes that time, so without a proof the signature may be of this moment.
  const signing = await key.getSigningKey(result.keyID, new Date(now), undefined, strict)
  if (signing.revocationSignatures.length > 0)
    throw untrusted('the subkey that made the signature is revoked')
  const keyAlgorithm = algorithmOfOpenpgpKey(signing.getAlgorithmInfo())
  return { content: data, createdAt: packet.created.getTime(), signer, keyAlgorithm }
}

/** The library throws errors of many kinds; whatever it is, the answer is no. */
function asRefusal({ name }: Signer, error: unknown): Refusal {
  const status = error instanceof Refusal ? error.status : 'untrusted'
  return new Refusal(status, `of signer ${name}: ${(error as Error).message}`, error)
}

const maximumCached = 256
const cachedKeys = new Map<string, Key>()

/** Throws SIGNER_INVALID. */
async function keyOf(armored: string): Promise<Key> {
  const known = cachedKeys.get(armored)
  if (known) return known
  const key = await parseOpenpgpKey(armored)
  if (cachedKeys.size >= maximumCached) cachedKeys.clear()
  cachedKeys.set(armored, key)
  return key
}
