import type { Digest } from '../kernel/digest.ts'
import {
  currentTrust,
  verifyStored,
  type Claim,
  type Verification,
  type VerifyParts,
} from '../signing/index.ts'
import { tagsOf } from '../registry/index.ts'
import { findOrigins } from './find-origins.ts'
import type { EffectivePolicy } from './levels/types.ts'
import { evaluateClaims } from './signatures/evaluate-claims.ts'
import { namesForSigners } from './signatures/reference.ts'
import type { SignaturePolicy } from './signatures/types.ts'
import { parentsOf, signaturesHeldAt } from './store.ts'
import type { SignatureEvidence } from './types.ts'

/** Indexes of which an image can be a part and that are looked at for it. */
const maximumParents = 20
const maximumTags = 1_000

/** Verifies what hangs on an image, and on the indexes in the same repository that list it. */
export async function gatherSignatures(
  parts: VerifyParts,
  repository: { readonly id: string; readonly name: string },
  digest: Digest,
  policy: Pick<EffectivePolicy, 'names' | 'signatures'>,
  promised: readonly Claim[] = [],
): Promise<SignatureEvidence> {
  const { database, clock } = parts
  const trust = await currentTrust(database, clock)
  const parents = (await parentsOf(database, repository.id, digest)).slice(0, maximumParents)
  const found = await verifyStored(parts, repository.id, digest, trust)
  const counted = promised.filter((claim) => isAsked(policy.signatures, claim))
  const verification = { ...found, claims: [...found.claims, ...counted] }
  const through: Verification[] = []
  for (const parent of parents) through.push(await verifyStored(parts, repository.id, parent, trust))
  const tags = new Set<string>()
  for (const one of [digest, ...parents]) {
    for (const tag of await tagsOf(database, repository.id, one, maximumTags)) tags.add(tag)
  }
  const origins = await findOrigins(database, repository, [digest, ...parents])
  const lastVerifiedAt = await signaturesHeldAt(database, repository, digest)
  return {
    verification,
    ...(through.length === 0 ? {} : { through }),
    boundTo: namesForSigners(policy.names, origins),
    tags: [...tags],
    conditions: await evaluateClaims(
      policy.signatures,
      [verification, ...through].flatMap(({ claims, subject }) =>
        claims.map((claim) => ({ claim, subject })),
      ),
      clock.now(),
    ),
    ...(lastVerifiedAt === undefined ? {} : { lastVerifiedAt }),
  }
}

function isAsked(policy: SignaturePolicy | undefined, { claim, signer }: Claim): boolean {
  return (policy?.clauses ?? []).some((clause) => clause.claim === claim && clause.signers.includes(signer))
}
