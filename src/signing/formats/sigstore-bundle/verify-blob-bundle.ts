import { createHash } from 'node:crypto'
import { digestOf, type Digest } from '../../../kernel/digest.ts'
import { signatureClaim, type Claim, type Rejection, type Signer } from '../../types.ts'
import { findSigner } from './find-signer.ts'
import { parseBundle, type MessageSignature } from './parse-bundle.ts'
import { readStatement, type Said } from './read-statement.ts'
import { malformed, untrusted } from './refusal.ts'
import type { SignedContent } from './signed-content.ts'
import { toOutcome } from './to-outcome.ts'

/** A file that was signed. A signature over the file itself can only be verified with its bytes. */
export interface SignedBlob {
  readonly digest: Digest
  readonly bytes?: Buffer
}

/** Largest bundle of a file that is read. */
export const maximumBlobBundleBytes = 16 * 1024 * 1024

/**
 * Verifies the bundle of a file, as `cosign sign-blob --bundle` and `cosign attest-blob` write it. `manifest` and
 * `layer` of the answer are both the digest of the bundle. Never throws for what the bundle holds.
 */
export function verifyBlobBundle(
  bundleBytes: Buffer,
  blob: SignedBlob,
  signers: readonly Signer[],
  now: number,
): Promise<Claim | Rejection> {
  const digest = digestOf(bundleBytes)
  return toOutcome({ format: 'sigstore-bundle', manifest: digest, layer: digest }, async (knows) => {
    if (bundleBytes.length > maximumBlobBundleBytes) throw malformed('the bundle is too large')
    const { content, material } = parseBundle(bundleBytes)
    const bytes = checkedBytes(blob)
    const isStatement = 'dsse' in content
    const signed = isStatement ? content.dsse : messageContent(content.message, bytes)
    const said: Said = isStatement
      ? readStatement(
          content.dsse.payload,
          bytes ? [digestOf(bytes), digestOf(bytes, 'sha512')] : [blob.digest],
        )
      : { claim: signatureClaim }
    knows(said)
    return { said, by: await findSigner(signed, material, { signers, now }) }
  })
}

function checkedBytes({ digest, bytes }: SignedBlob): Buffer | undefined {
  const algorithm = digest.startsWith('sha512:') ? 'sha512' : 'sha256'
  if (bytes && digestOf(bytes, algorithm) !== digest) throw untrusted('the file has another digest')
  return bytes
}

/** The bundle's own digest proves nothing, but one that differs from the file's shows that they do not belong together. */
function messageContent(
  { algorithm, digest, signature }: MessageSignature,
  bytes: Buffer | undefined,
): SignedContent {
  if (!bytes) throw untrusted('this signature is over the file itself, whose bytes are needed')
  if (!createHash(algorithm).update(bytes).digest().equals(digest))
    throw untrusted('the bundle is of another file')
  return { message: bytes, payload: bytes, signature, stamped: signature }
}
