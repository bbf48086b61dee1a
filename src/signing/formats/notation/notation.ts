import type { Digest } from '../../../kernel/digest.ts'
import type { Descriptor } from '../../../kernel/media-types.ts'
import {
  signatureClaim,
  type Attachment,
  type Claim,
  type Envelope,
  type Rejection,
  type SignatureFormat,
  type VerificationQuestion,
} from '../../types.ts'
import { malformed, untrusted } from '../sigstore-bundle/refusal.ts'
import { toOutcome } from '../sigstore-bundle/to-outcome.ts'
import { readChain } from './check-signature.ts'
import { findNotationSigner } from './find-notation-signer.ts'
import { readCose } from './read-cose.ts'
import { readJws } from './read-jws.ts'
import { checkPayload } from './read-payload.ts'
import type { SignedEnvelope } from './signed-envelope.ts'

export const notationArtifactType = 'application/vnd.cncf.notary.signature'

const readers: Readonly<Record<string, (bytes: Buffer) => SignedEnvelope | Promise<SignedEnvelope>>> = {
  'application/jose+json': readJws,
  'application/cose': readCose,
}

/**
 * Notary Project signatures (signature specification): an envelope in JWS or COSE around the descriptor of the image,
 * with the chain of certificates that leads to a trust store.
 */
export const notation: SignatureFormat = {
  name: 'notation',
  // Eight certificates, a timestamp token and a descriptor with annotations, in base64.
  maximumBytes: 1024 * 1024,
  envelopesOf,
  verify,
}

/** "OCI Signatures": one layer, of one of two types; a manifest with more is no signature. */
function envelopesOf({ via, artifactType, layers }: Attachment): readonly Descriptor[] {
  if (via !== 'referrer' || artifactType !== notationArtifactType || layers.length !== 1) return []
  return layers.filter(({ mediaType }) => Object.hasOwn(readers, mediaType))
}

function verify(
  { attachment, layer, bytes }: Envelope,
  { subject, signers, now }: VerificationQuestion,
): Promise<Claim | Rejection> {
  const place = { format: 'notation', manifest: attachment.digest, layer: layer.digest as Digest } as const
  return toOutcome(place, async (knows) => {
    const read = Object.hasOwn(readers, layer.mediaType) ? readers[layer.mediaType] : undefined
    if (!read) throw malformed(`a layer of the type ${layer.mediaType}`)
    const envelope = await read(bytes)
    const said = { claim: signatureClaim }
    knows(said)
    checkPayload(envelope.payload, subject)
    const chain = await readChain(envelope)
    if (envelope.expiresAt !== undefined && now >= envelope.expiresAt) {
      throw untrusted(`the signature expired at ${new Date(envelope.expiresAt).toISOString()}`)
    }
    const by = await findNotationSigner({ ...envelope, chain }, { signers, now })
    return { said, by, claimedAt: envelope.claimedAt }
  })
}
