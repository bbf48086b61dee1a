import type { Digest } from '../../../kernel/digest.ts'
import { mediaTypes, type Descriptor } from '../../../kernel/media-types.ts'
import { signatureClaim } from '../../types.ts'
import type {
  Attachment,
  Claim,
  Envelope,
  Rejection,
  SignatureFormat,
  VerificationQuestion,
} from '../../types.ts'
import { nothingProven } from '../sigstore-bundle/prove-time.ts'
import { toOutcome } from '../sigstore-bundle/to-outcome.ts'
import { findOpenpgpSigner } from './find-openpgp-signer.ts'
import { readPayload } from './read-payload.ts'
import { maximumMessageBytes, readSignedMessage } from './read-signed-message.ts'

/**
 * What `skopeo copy --sign-by`, podman and buildah make: an OpenPGP signed message whose content names the image
 * (containers-signature(5)). Nothing proves its time, so the key has to be good when the signature says that it was
 * made, and now.
 */
export const openpgp: SignatureFormat = {
  name: 'openpgp',
  maximumBytes: maximumMessageBytes,
  envelopesOf,
  verify,
}

function envelopesOf({ via, artifactType, layers }: Attachment): readonly Descriptor[] {
  if (via !== 'referrer' || artifactType !== mediaTypes.simpleSigning) return []
  return layers.filter(({ mediaType }) => mediaType === mediaTypes.simpleSigningOpenpgp)
}

function verify(
  { attachment, layer, bytes }: Envelope,
  question: VerificationQuestion,
): Promise<Claim | Rejection> {
  const place = { format: 'openpgp', manifest: attachment.digest, layer: layer.digest as Digest } as const
  return toOutcome(place, async (knows) => {
    const message = readSignedMessage(bytes)
    const { content, createdAt, signer, keyAlgorithm } = await findOpenpgpSigner(message, question)
    // Only now is it worth reading: somebody who counts has signed these bytes.
    const { reference, timestamp } = readPayload(content, question.subject.digest, (named) =>
      knows({ claim: signatureClaim, reference: named }),
    )
    return {
      said: { claim: signatureClaim, reference },
      by: { signer, keyAlgorithm, proof: nothingProven },
      claimedAt: timestamp ?? createdAt,
    }
  })
}
