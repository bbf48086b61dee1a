import { digestOf } from '../kernel/digest.ts'
import { JsonError, parseStrictJsonBytes } from '../kernel/json.ts'
import { verifyBlobBundle, type Signer } from '../signing/offline.ts'
import { RuntimeFailure } from './failures.ts'
import { isTrust, trustPredicateType } from './trust-document.ts'
import type { RuntimeTrust } from './types.ts'

const maximumBytes = 16 * 1024 * 1024

/** What the signed trust has to be. */
export interface TrustQuestion {
  /** Keys in PEM, one of which has to have signed it. */
  readonly publicKeys: readonly string[]
  readonly registry: string
  readonly now: number
}

/**
 * Opens what the server signed for its nodes. Throws TRUST_INVALID when it is not from one of the keys, is for
 * another registry, has ended or says something that this program does not know.
 */
export async function openTrust(
  bundle: Buffer,
  { publicKeys, registry, now }: TrustQuestion,
): Promise<RuntimeTrust> {
  if (bundle.length > maximumBytes) throw invalid(`it has more than ${maximumBytes} bytes`)
  const signers = publicKeys.map((publicKey, index): Signer => {
    return { name: `server-${index + 1}`, identity: { kind: 'key', publicKey }, state: 'active' }
  })
  const unverified = peekPredicate(bundle)
  const digest = digestOf(JSON.stringify(unverified))
  const outcome = await verifyBlobBundle(bundle, { digest }, signers, now)
  if (outcome.status !== 'verified') throw invalid(outcome.why)
  const { claim, predicate } = outcome
  if (claim !== trustPredicateType) throw invalid(`it is a ${claim}`)
  if (!isTrust(predicate))
    throw invalid('it says what this program does not know; update pratique on the node')
  if (predicate.registry !== registry) throw invalid(`it is for ${predicate.registry}, not for ${registry}`)
  if (predicate.issuedAt > now + clockSkewMs)
    throw invalid('it is from the future; set the clock of the node')
  if (predicate.expiresAt <= now) {
    const when = new Date(predicate.expiresAt).toISOString()
    throw invalid(`it ended at ${when}; fetch it again with: pratique node refresh`)
  }
  return predicate
}

const clockSkewMs = 300_000

/** What the bundle says it is about, before anything is believed: only to know what its subject has to be. */
function peekPredicate(bundle: Buffer): unknown {
  try {
    const document = parseStrictJsonBytes(bundle) as { dsseEnvelope?: { payload?: unknown } } | null
    const payload = document?.dsseEnvelope?.payload
    if (typeof payload !== 'string') throw new JsonError('there is no statement in it')
    const statement = parseStrictJsonBytes(Buffer.from(payload, 'base64')) as { predicate?: unknown } | null
    return statement?.predicate ?? null
  } catch (error) {
    if (error instanceof JsonError) throw invalid(error.message)
    throw error
  }
}

function invalid(why: string): RuntimeFailure {
  return new RuntimeFailure('TRUST_INVALID', `the trust of the server does not hold: ${why}`)
}
