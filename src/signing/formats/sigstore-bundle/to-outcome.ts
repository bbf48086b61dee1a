import type { Digest } from '../../../kernel/digest.ts'
import type { Claim, FormatName, Rejection } from '../../types.ts'
import type { SignedBy } from './find-signer.ts'
import { StatementRefusal, type Said } from './read-statement.ts'
import { Refusal } from './refusal.ts'

/** Where a signature was found. */
export interface Place {
  readonly format: FormatName
  readonly manifest: Digest
  readonly layer: Digest
}

/** Runs the steps of a verification; what they refuse becomes a rejection. */
export async function toOutcome(
  place: Place,
  steps: (
    knows: (said: Said) => void,
  ) => Promise<{ readonly said: Said; readonly by: SignedBy; readonly claimedAt?: number }>,
): Promise<Claim | Rejection> {
  let known: Said | undefined
  try {
    const { said, by, claimedAt } = await steps((said) => (known = said))
    return toClaim(place, said, by, claimedAt)
  } catch (error) {
    if (error instanceof Refusal) return toRejection(place, error, known)
    throw error
  }
}

function toClaim(place: Place, said: Said, by: SignedBy, claimedAt: number | undefined): Claim {
  const { signer, keyAlgorithm, proof, certificate } = by
  return {
    status: 'verified',
    ...said,
    ...place,
    signer: signer.name,
    keyAlgorithm,
    ...(proof.times.length === 0 ? {} : { provenAt: Math.min(...proof.times) }),
    ...(claimedAt === undefined ? {} : { claimedAt }),
    isLogged: proof.isLogged,
    isTimestamped: proof.isTimestamped,
    ...(certificate === undefined ? {} : { certificate }),
  }
}

function toRejection(place: Place, refusal: Refusal, said: Said | undefined): Rejection {
  const claim = refusal instanceof StatementRefusal ? refusal.claim : said?.claim
  return {
    status: refusal.status,
    ...place,
    why: refusal.message,
    ...(claim === undefined ? {} : { claim }),
    ...(said?.reference === undefined ? {} : { reference: said.reference }),
  }
}
