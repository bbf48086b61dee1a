import { isDigest, type Digest } from '../kernel/digest.ts'
import type { Descriptor } from '../kernel/media-types.ts'
import { findPlaces, maximumAttachments, readAttachments, type Places } from './collect-attachments.ts'
import { signatureFormats } from './formats/index.ts'
import { judgeStanding } from './judge-standing.ts'
import {
  EvidenceUnavailable,
  signatureClaim,
  type Attachment,
  type Claim,
  type EvidenceSource,
  type Rejection,
  type SignatureFormat,
  type Signer,
  type Subject,
  type Verification,
  type VerificationQuestion,
  type VerificationStatus,
} from './types.ts'

/** Work for one image is bounded, however much somebody attaches. */
const maximumEnvelopes = 512
const maximumTotalBytes = 64 * 1024 * 1024

/**
 * Verifies everything that hangs on a digest: which signer is proven to have said what of exactly these bytes.
 * A signature of an index says nothing of its children here. Never throws for what is attached; what cannot be
 * read is told as `unavailable`.
 */
export async function verifyImage(
  source: EvidenceSource,
  subject: Subject,
  signers: readonly Signer[],
  now: number,
): Promise<Verification> {
  let places: Places
  try {
    places = await findPlaces(source, subject.digest)
  } catch (error) {
    if (!(error instanceof EvidenceUnavailable)) throw error
    const nothing = { claims: [], rejections: [] }
    return { subject: subject.digest, status: 'unavailable', ...nothing, unavailable: error.message }
  }
  return verifyPlaces(source, places, { subject, signers, now })
}

/** The same, when it is known what hangs there. */
export async function verifyPlaces(
  source: EvidenceSource,
  places: Places,
  question: VerificationQuestion,
): Promise<Verification> {
  const gathered = new Gathered()
  if (places.isCut) gathered.cut(`more than ${maximumAttachments} manifests are attached`)
  try {
    const attachments = await readAttachments(source, places)
    for (const digest of attachments.malformed) gathered.add(notAManifest(digest), question)
    for (const attachment of attachments.found) await verifyAttachment(source, attachment, question, gathered)
  } catch (error) {
    if (!(error instanceof EvidenceUnavailable)) throw error
    gathered.cut(error.message)
  }
  return gathered.verification(question.subject)
}

async function verifyAttachment(
  source: EvidenceSource,
  attachment: Attachment,
  question: VerificationQuestion,
  gathered: Gathered,
): Promise<void> {
  for (const format of signatureFormats) {
    for (const layer of format.envelopesOf(attachment)) {
      const outcome = await verifyLayer(source, attachment, layer, format, question, gathered)
      if (outcome) gathered.add(outcome, question)
    }
  }
}

async function verifyLayer(
  source: EvidenceSource,
  attachment: Attachment,
  layer: Descriptor,
  format: SignatureFormat,
  question: VerificationQuestion,
  gathered: Gathered,
): Promise<Claim | Rejection | undefined> {
  const { digest } = layer
  const malformed = (why: string): Rejection => ({
    status: 'malformed',
    format: format.name,
    manifest: attachment.digest,
    layer: attachment.digest,
    why,
  })
  if (!isDigest(digest)) return malformed('a layer has no digest')
  if (layer.size > format.maximumBytes) {
    return { ...malformed(`it has ${layer.size} bytes, more than ${format.maximumBytes}`), layer: digest }
  }
  if (!gathered.take(layer.size)) return undefined
  try {
    const bytes = await source.readBlob(digest, format.maximumBytes)
    return await format.verify({ attachment, layer, bytes }, question)
  } catch (error) {
    if (!(error instanceof EvidenceUnavailable)) throw error
    gathered.cut(error.message)
    return undefined
  }
}

function notAManifest(digest: Digest): Rejection {
  const why = 'the signature tag does not lead to an artifact manifest'
  return { status: 'malformed', format: 'cosign-legacy', manifest: digest, layer: digest, why }
}

/** What was found so far, and how much more may be read. */
class Gathered {
  readonly #claims: Claim[] = []
  readonly #rejections: Rejection[] = []
  #envelopes = 0
  #bytes = 0
  #unavailable: string | undefined

  /** Remembers the first reason why not everything was looked at. */
  cut(why: string): void {
    this.#unavailable ??= why
  }

  /** Whether one more layer may be read. */
  take(sizeBytes: number): boolean {
    this.#envelopes++
    this.#bytes += sizeBytes
    if (this.#envelopes <= maximumEnvelopes && this.#bytes <= maximumTotalBytes) return true
    this.cut(
      `more is attached than is looked at (${maximumEnvelopes} signatures, ${maximumTotalBytes} bytes)`,
    )
    return false
  }

  add(outcome: Claim | Rejection, { signers, now }: VerificationQuestion): void {
    const judged = outcome.status === 'verified' ? judgeStanding(outcome, signers, now) : outcome
    if (judged.status === 'verified') this.#claims.push(judged)
    else this.#rejections.push(judged)
  }

  verification({ digest }: Subject): Verification {
    return {
      subject: digest,
      status: this.#status(),
      claims: this.#claims,
      rejections: this.#rejections,
      ...(this.#unavailable === undefined ? {} : { unavailable: this.#unavailable }),
    }
  }

  /** One good signature is enough to be verified, whatever else is attached. */
  #status(): VerificationStatus {
    if (this.#claims.some(({ claim }) => claim === signatureClaim)) return 'verified'
    if (this.#unavailable !== undefined) return 'unavailable'
    const ofSignatures = this.#rejections.filter(({ claim = signatureClaim }) => claim === signatureClaim)
    if (ofSignatures.some(({ status }) => status === 'untrusted')) return 'untrusted'
    return ofSignatures.length > 0 ? 'malformed' : 'unsigned'
  }
}
