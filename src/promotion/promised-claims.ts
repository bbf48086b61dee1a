import type { Digest } from '../kernel/digest.ts'
import { serverSigner, signatureClaim, vsaPredicateType, type Claim } from '../signing/index.ts'
import type { TargetPlace } from './assess-for-target.ts'
import { signedName } from './sign-promotion.ts'
import { summarise } from './summarise.ts'

/**
 * What the server will have said of an image once it is promoted: rules of the target that ask for the server's own
 * signature are met by the promotion itself. Nothing is signed before all other rules hold. There is no manifest yet,
 * so the image's own digest stands in its place.
 */
export function promisedClaims(place: TargetPlace, digest: Digest, now: number): Claim[] {
  const common = {
    status: 'verified',
    signer: serverSigner,
    keyAlgorithm: 'ecdsa-p256',
    manifest: digest,
    layer: digest,
    reference: signedName(place),
    claimedAt: now,
    isLogged: false,
    isTimestamped: false,
  } as const
  const predicate = summarise({
    ...place,
    subject: digest,
    policy: { version: place.policyVersion, digest: '' },
    outcomes: [],
    evidence: [],
    now,
  })
  return [
    { ...common, claim: signatureClaim, format: 'cosign-legacy' },
    { ...common, claim: signatureClaim, format: 'sigstore-bundle' },
    { ...common, claim: vsaPredicateType, format: 'sigstore-bundle', predicate },
  ]
}
