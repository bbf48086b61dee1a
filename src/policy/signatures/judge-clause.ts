import type { Claim, Rejection } from '../../signing/offline.ts'
import { signatureClaim } from '../../signing/offline.ts'
import type { Digest } from '../../kernel/digest.ts'
import { findFault, type ClaimQuestion, type Fault } from './judge-claim.ts'
import type { SignatureClause } from './types.ts'

/** One claim as a clause sees it. */
export interface JudgedClaim {
  readonly claim: Claim
  /** The index of which it is said, where it is not said of the image itself. */
  readonly through?: Digest
  /** Undefined: it counts. */
  readonly fault?: Fault
}

/** What a clause finds. */
export interface JudgedClause {
  readonly clause: SignatureClause
  readonly isMet: boolean
  /** The signers that count, each once however often it signed. */
  readonly counted: readonly string[]
  /** Claims of the kind that is asked for, of whoever. */
  readonly claims: readonly JudgedClaim[]
  /** What is attached in this kind and proves nothing. */
  readonly rejections: readonly Rejection[]
}

/** Holds one clause against all that is known of the image, and of the indexes that list it. */
export function judgeClause(question: ClaimQuestion): JudgedClause {
  const { clause, evidence } = question
  const verifications = [evidence.verification, ...(evidence.through ?? [])]
  const claims = verifications.flatMap(({ claims: all, subject }) =>
    all
      .filter(({ claim }) => claim === clause.claim)
      .map((claim): JudgedClaim => {
        const fault = findFault(claim, question)
        const isThrough = subject !== evidence.verification.subject
        return { claim, ...(isThrough ? { through: subject } : {}), ...(fault ? { fault } : {}) }
      }),
  )
  const counted = [...new Set(claims.filter(({ fault }) => !fault).map(({ claim }) => claim.signer))]
  return {
    clause,
    isMet: counted.length >= clause.threshold,
    counted,
    claims,
    rejections: verifications
      .flatMap(({ rejections }) => rejections)
      .filter(({ claim = signatureClaim }) => claim === clause.claim),
  }
}
