import type { Digest } from '../../kernel/digest.ts'

/** in-toto predicate type of a plain signature, as cosign 3 writes it. */
export const signaturePredicateType = 'https://sigstore.dev/cosign/sign/v1'

/** SLSA "Verification Summary Attestation (VSA)", version 1. */
export const vsaPredicateType = 'https://slsa.dev/verification_summary/v1'

/**
 * Cosign's simple signing payload, which names the image as `host/repository:tag`, as skopeo's does; cosign's own
 * leaves the tag out.
 */
export function simpleSigningPayload(digest: Digest, reference: string, now: number): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': reference },
        image: { 'docker-manifest-digest': digest },
        type: 'cosign container image signature',
      },
      optional: { creator: 'pratique', timestamp: Math.floor(now / 1000) },
    }),
  )
}
