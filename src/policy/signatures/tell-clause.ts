import { signatureClaim, type Claim } from '../../signing/offline.ts'
import type { SignatureEvidence } from '../types.ts'
import type { JudgedClaim, JudgedClause } from './judge-clause.ts'
import type { SignaturePolicy } from './types.ts'

/** More would not be read, and verdicts are stored. */
const maximumTold = 5
const maximumKept = 30
const maximumWhy = 300

/** What others wrote, without what moves the cursor or the direction of a line. */
export function clean(text: string): string {
  return text.slice(0, maximumWhy).replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd')
}

/** A clause in one line: what is asked, what was found and by whom, and what is missing and how to add it. */
export function tellClause(judged: JudgedClause): string {
  const { clause, isMet, counted, claims } = judged
  const verb = clause.claim === signatureClaim ? 'signed by' : `${clause.claim} attested by`
  const wanted = `${clause.name}: ${verb} ${clause.threshold} of ${clause.signers.join(', ')}`
  const through = claims.find((one) => !one.fault && one.through !== undefined)?.through
  const asPart = through === undefined ? '' : `, signed as part of index ${through}`
  if (isMet) return `${wanted}: ${counted.join(', ')}${asPart}`
  const found = counted.length > 0 ? `so far ${counted.join(', ')}${asPart}` : tellNothing(judged)
  const others = tellOthers(judged)
  return `${wanted}: ${found}${others === '' ? '' : ` (${others})`}; ${tellRemedy(judged)}`
}

function tellNothing({ clause, claims, rejections }: JudgedClause): string {
  const isSignature = clause.claim === signatureClaim
  if (claims.length + rejections.length === 0) return isSignature ? 'unsigned' : 'no such attestation'
  return isSignature ? 'no signature counts' : 'no attestation counts'
}

function tellOthers({ clause, claims, rejections }: JudgedClause): string {
  const mine = claims.filter(({ fault, claim }) => fault && clause.signers.includes(claim.signer))
  const others = claims.filter(({ fault, claim }) => fault && !clause.signers.includes(claim.signer))
  const all = [
    ...mine.map(({ claim, fault }) => `that of ${whoMade(claim)}: ${clean(fault?.why ?? '')}`),
    ...rejections.map(({ status, why }) => `${status}: ${clean(why)}`),
    ...others.map(({ claim }) => `${whoMade(claim)} is not asked here`),
  ]
  const told = [...new Set(all)]
  return `${told.slice(0, maximumTold).join('; ')}${told.length > maximumTold ? `; and ${told.length - maximumTold} more` : ''}`
}

function tellRemedy({ clause, counted }: JudgedClause): string {
  const left = clause.signers.filter((signer) => !counted.includes(signer))
  const more = clause.threshold - counted.length
  const who = left.length === more ? left.join(' and ') : `${more} of ${left.join(', ')}`
  return clause.claim === signatureClaim
    ? `missing is a signature of ${who} (pratique sign, cosign sign or notation sign)`
    : `missing is an attestation by ${who} (cosign attest --type ${clause.claim})`
}

/** What was found, as data: clause by clause, and each claim with what it rests on. */
export function tellEvidence(
  policy: SignaturePolicy,
  judged: readonly JudgedClause[],
  { verification, boundTo }: SignatureEvidence,
): Readonly<Record<string, unknown>> {
  return {
    status: verification.status,
    mode: policy.mode,
    ...(policy.bindReference === 'none'
      ? {}
      : { bindReference: policy.bindReference, boundTo: boundTo.slice(0, maximumKept) }),
    ...(verification.unavailable === undefined ? {} : { unavailable: verification.unavailable }),
    clauses: judged.map(({ clause, isMet, counted, claims, rejections }) => ({
      name: clause.name,
      level: clause.level,
      claim: clause.claim,
      threshold: clause.threshold,
      signers: clause.signers,
      ...(clause.conditions.length > 0 ? { conditions: clause.conditions } : {}),
      isMet,
      counted,
      claims: claims.slice(0, maximumKept).map(tellClaim),
      rejections: rejections.slice(0, maximumKept).map(({ status, format, manifest, why, reference }) => ({
        status,
        format,
        manifest,
        why: clean(why),
        ...(reference === undefined ? {} : { reference: clean(reference) }),
      })),
    })),
  }
}

function tellClaim({ claim, through, fault }: JudgedClaim): Readonly<Record<string, unknown>> {
  const { signer, by, format, keyAlgorithm, manifest, reference, certificate } = claim
  return {
    signer,
    ...(by === undefined ? {} : { by }),
    format,
    keyAlgorithm,
    time: tellTime(claim),
    ...(reference === undefined ? {} : { reference: clean(reference) }),
    ...(certificate ? { certificate: mapClean(certificate) } : {}),
    manifest,
    ...(through === undefined ? {} : { through }),
    counts: fault === undefined,
    ...(fault ? { why: clean(fault.why) } : {}),
  }
}

/** Where the time of a claim comes from. */
function tellTime({ provenAt, claimedAt, isLogged, isTimestamped }: Claim): string {
  const witnesses = [
    ...(isLogged ? ['transparency log'] : []),
    ...(isTimestamped ? ['timestamp authority'] : []),
  ]
  if (provenAt !== undefined) return `${toIso(provenAt)} (${witnesses.join(', ') || 'proven'})`
  return claimedAt === undefined ? 'unknown' : `${toIso(claimedAt)} (says the signer)`
}

function mapClean({ subject, issuer }: NonNullable<Claim['certificate']>): Readonly<Record<string, string>> {
  return { subject: clean(subject), ...(issuer === undefined ? {} : { issuer: clean(issuer) }) }
}

function toIso(time: number): string {
  return Number.isFinite(time) && Math.abs(time) <= 8.64e15 ? new Date(time).toISOString() : 'unknown'
}

function whoMade({ signer, by }: Claim): string {
  return by === undefined ? signer : `${by} (as ${signer})`
}
