import type { Claim } from '../../signing/offline.ts'
import { signatureClaim } from '../../signing/offline.ts'
import type { SignatureEvidence } from '../types.ts'
import { conditionKey } from './claim-key.ts'
import { isNamed, readSignedReference } from './reference.ts'
import type { SignatureClause, SignaturePolicy } from './types.ts'

const dayMs = 86_400_000

export interface ClaimQuestion {
  readonly policy: SignaturePolicy
  readonly clause: SignatureClause
  readonly evidence: SignatureEvidence
  readonly now: number
  /** Count only what names this tag, where the policy binds signatures to tags. */
  readonly tag?: string
}

/** Why a claim does not count for a clause. `isBad`: it tells against the image, and not only too little for it. */
export interface Fault {
  readonly why: string
  readonly isBad: boolean
}

type Check = (claim: Claim, question: ClaimQuestion) => Fault | undefined

/** The first reason for which a claim does not count for a clause; undefined when it does. */
export function findFault(claim: Claim, question: ClaimQuestion): Fault | undefined {
  for (const check of checks) {
    const fault = check(claim, question)
    if (fault) return fault
  }
  return undefined
}

const missing = (why: string): Fault => ({ why, isBad: false })
const bad = (why: string): Fault => ({ why, isBad: true })

const isAsked: Check = ({ claim, signer }, { clause }) => {
  if (claim !== clause.claim) return missing(`it says ${claim}`)
  return clause.signers.includes(signer) ? undefined : missing(`${signer} is not asked here`)
}

const hasAcceptedForm: Check = ({ format, keyAlgorithm }, { policy }) => {
  if (!policy.formats.includes(format)) return missing(`the format ${format} does not count here`)
  return policy.keyAlgorithms.includes(keyAlgorithm)
    ? undefined
    : missing(`the key algorithm ${keyAlgorithm} does not count here`)
}

const hasWitness: Check = ({ isLogged, isTimestamped }, { policy }) => {
  if (policy.requireTimestamp && !isTimestamped) return missing('no timestamp authority has seen it')
  return policy.requireLog && !isLogged ? missing('no transparency log has seen it') : undefined
}

const isYoung: Check = ({ provenAt }, { policy: { maximumAgeDays }, now }) => {
  if (maximumAgeDays === undefined) return undefined
  if (provenAt === undefined)
    return missing('its age is unknown, because no log and no authority proves a time')
  const days = (now - provenAt) / dayMs
  return days > maximumAgeDays
    ? bad(`it is ${days.toFixed(1)} days old, more than ${maximumAgeDays}`)
    : undefined
}

const isBoundHere: Check = ({ claim, reference }, { policy, evidence, tag }) => {
  const binding = policy.bindReference
  if (binding === 'none') return undefined
  // An attestation is about bytes, wherever they lie; most forms have no room for a name in it.
  const hasToName = claim === signatureClaim && binding !== 'named'
  if (reference === undefined) return hasToName ? missing('it names no repository') : undefined
  const named = readSignedReference(reference)
  if (!named) return bad(`it names ${JSON.stringify(reference.slice(0, 200))}, which is no image`)
  if (!isNamed(named, evidence.boundTo)) return bad(`it names ${reference}, not this repository`)
  if (named.digest !== undefined && !isSubject(named.digest, evidence)) {
    return bad(`it names ${reference}, another digest`)
  }
  if (binding !== 'tag' || claim !== signatureClaim) return undefined
  if (named.tag === undefined) return missing(`it names ${reference}, no tag`)
  return tag === undefined || named.tag === tag
    ? undefined
    : missing(`it names ${reference}, not the tag ${tag}`)
}

function isSubject(digest: string, { verification, through = [] }: SignatureEvidence): boolean {
  return [verification, ...through].some(({ subject }) => subject === digest)
}

const meetsConditions: Check = (claim, { clause, evidence }) => {
  for (const condition of clause.conditions) {
    const result = evidence.conditions.get(conditionKey(claim, condition))
    if (result === true) continue
    if (result === false) return bad(`the condition ${condition} is not met`)
    return missing(`the condition ${condition} could not be evaluated: ${result ?? 'it was not looked at'}`)
  }
  return undefined
}

const checks: readonly Check[] = [isAsked, hasAcceptedForm, hasWitness, isYoung, isBoundHere, meetsConditions]
