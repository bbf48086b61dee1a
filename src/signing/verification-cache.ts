import { createHash } from 'node:crypto'
import { findPlaces } from './collect-attachments.ts'
import type { Trust } from './signers/trust.ts'
import {
  EvidenceUnavailable,
  type Claim,
  type EvidenceSource,
  type Subject,
  type Verification,
} from './types.ts'
import { verifyImage, verifyPlaces } from './verify-image.ts'

const maximumEntries = 5_000
/** Predicates can be large; what many answers hold together is bounded too. */
const maximumBytes = 16 * 1024 * 1024
/** What depends on the clock otherwise than by a signer's end: certificates, and signatures that expire. */
const briefMs = 60_000
const longMs = 3_600_000

interface Entry {
  readonly verification: Verification
  readonly until: number
  readonly sizeBytes: number
}

/**
 * Remembers verifications by the image, the place where its signatures are kept, the set of manifests that hang
 * on it and the revision of all signers: a new signature or a changed signer is another key, so nothing has to be
 * told to forget. What could not be read is never remembered.
 */
export class VerificationCache {
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  /** As `verifyImage`; `place` tells sources apart, such as the id of a repository. */
  async verify(
    source: EvidenceSource,
    place: string,
    subject: Subject,
    trust: Trust,
    now: number,
  ): Promise<Verification> {
    const places = await findPlaces(source, subject.digest).catch(forgiveUnavailable)
    if (!places) return verifyImage(source, subject, trust.signers, now)
    const key = keyOf(place, subject, trust, [...places.manifests.keys()])
    const known = this.#entries.get(key)
    if (known && known.until > now) return known.verification
    const verification = await verifyPlaces(source, places, { subject, signers: trust.signers, now })
    if (verification.unavailable === undefined) this.#remember(key, verification, trust, now)
    return verification
  }

  #remember(key: string, verification: Verification, trust: Trust, now: number): void {
    const sizeBytes = Buffer.byteLength(JSON.stringify(verification))
    this.#forget(key)
    this.#entries.set(key, { verification, until: holdsUntil(verification, trust, now), sizeBytes })
    this.#bytes += sizeBytes
    // The oldest first: what is asked for again is soon verified again.
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= maximumEntries && this.#bytes <= maximumBytes) break
      this.#forget(oldest)
    }
  }

  #forget(key: string): void {
    this.#bytes -= this.#entries.get(key)?.sizeBytes ?? 0
    this.#entries.delete(key)
  }
}

function keyOf(place: string, { digest, size }: Subject, trust: Trust, manifests: readonly string[]): string {
  const set = createHash('sha256').update(manifests.toSorted().join(' ')).digest('hex')
  return [place, digest, size, trust.revision, set].join(' ')
}

function isByKey({ certificate, format }: Claim): boolean {
  return certificate === undefined && format !== 'openpgp'
}

function holdsUntil({ claims, rejections }: Verification, trust: Trust, now: number): number {
  const isByKeys = rejections.length === 0 && claims.every(isByKey)
  const ends = trust.signers.flatMap(({ expiresAt }) =>
    expiresAt !== undefined && expiresAt > now ? [expiresAt] : [],
  )
  return Math.min(now + (isByKeys ? longMs : briefMs), ...ends)
}

function forgiveUnavailable(error: unknown): undefined {
  if (error instanceof EvidenceUnavailable) return undefined
  throw error
}
