import { Value } from 'typebox/value'
import type { Digest } from '../../../kernel/digest.ts'
import { JsonError, parseStrictJsonBytes } from '../../../kernel/json.ts'
import { mediaTypes, type Descriptor } from '../../../kernel/media-types.ts'
import type {
  Attachment,
  Claim,
  Envelope,
  Rejection,
  SignatureFormat,
  VerificationQuestion,
} from '../../types.ts'
import { DsseEnvelope, readDsse } from '../sigstore-bundle/dsse.ts'
import { findSigner } from '../sigstore-bundle/find-signer.ts'
import { readStatement, type Said } from '../sigstore-bundle/read-statement.ts'
import { malformed } from '../sigstore-bundle/refusal.ts'
import { decodeBase64, maximumSignatureBytes, type SignedContent } from '../sigstore-bundle/signed-content.ts'
import { toOutcome } from '../sigstore-bundle/to-outcome.ts'
import { readMaterial } from './read-annotations.ts'
import { readPayload } from './read-payload.ts'

const signatureAnnotation = 'dev.cosignproject.cosign/signature'
const dsseMediaType = 'application/vnd.dsse.envelope.v1+json'
/** cosign 2 with `--registry-referrers-mode=oci-1-1`, an experiment of its time. */
const referrerType = 'application/vnd.dev.cosign.artifact.sig.v1+json'

/**
 * What cosign keeps under tags made of the digest (cosign SIGNATURE_SPEC): `.sig` with simple signing payloads, and
 * `.att` with DSSE envelopes, which others also attach as referrers. Of signatures only ASN.1 DER is taken, where cosign also takes r and s side by side.
 */
export const cosignLegacy: SignatureFormat = {
  name: 'cosign-legacy',
  maximumBytes: 16 * 1024 * 1024,
  envelopesOf,
  verify,
}

function envelopesOf({ via, artifactType, layers }: Attachment): readonly Descriptor[] {
  const isSignatures = via === 'sig-tag' || (via === 'referrer' && artifactType === referrerType)
  const wanted = isSignatures ? mediaTypes.cosignSimpleSigning : dsseMediaType
  return layers.filter(({ mediaType }) => mediaType === wanted)
}

function verify(envelope: Envelope, question: VerificationQuestion): Promise<Claim | Rejection> {
  const { attachment, layer } = envelope
  const place = {
    format: 'cosign-legacy',
    manifest: attachment.digest,
    layer: layer.digest as Digest,
  } as const
  return toOutcome(place, async (knows) => {
    const { content, said, claimedAt } =
      layer.mediaType === dsseMediaType
        ? readAttestation(envelope, question.subject.digest)
        : readSignature(envelope, question.subject.digest)
    knows(said)
    const by = await findSigner(content, readMaterial(layer), question)
    return { said, by, ...(claimedAt === undefined ? {} : { claimedAt }) }
  })
}

interface Read {
  readonly content: SignedContent
  readonly said: Said
  readonly claimedAt?: number
}

function readSignature({ layer, bytes }: Envelope, digest: Digest): Read {
  if (layer.mediaType !== mediaTypes.cosignSimpleSigning)
    throw malformed(`a layer of the type ${layer.mediaType}`)
  const { claimedAt, ...said } = readPayload(bytes, digest)
  const base64 = layer.annotations?.[signatureAnnotation]
  if (!base64) throw malformed('the layer carries no signature')
  const signature = decodeBase64(base64, 'the signature', maximumSignatureBytes)
  return {
    content: { message: bytes, payload: bytes, signature, stamped: signature },
    said,
    ...(claimedAt === undefined ? {} : { claimedAt }),
  }
}

function readAttestation({ bytes }: Envelope, digest: Digest): Read {
  let document: unknown
  try {
    document = parseStrictJsonBytes(bytes, 16)
  } catch (error) {
    if (error instanceof JsonError) throw malformed(`the envelope is ${error.message}`)
    throw error
  }
  if (!Value.Check(DsseEnvelope, document)) throw malformed('the layer is no DSSE envelope')
  const content = readDsse(document)
  // cosign, `VerifyRFC3161Timestamp`: of an attestation the authority was shown the whole envelope.
  return { content: { ...content, stamped: bytes }, said: readStatement(content.payload, [digest]) }
}
