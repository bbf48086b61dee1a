import { createPublicKey } from 'node:crypto'
import type { SignatureClause, SignaturePolicy } from '../../policy/offline.ts'
import type { KeyAlgorithm, Signer } from '../../signing/offline.ts'

/** Ways in which signers can fail together; of more, runtimes would be asked too much. */
const maximumGroups = 60

const curves: Readonly<Record<string, KeyAlgorithm>> = {
  prime256v1: 'ecdsa-p256',
  secp384r1: 'ecdsa-p384',
  secp521r1: 'ecdsa-p521',
}

/**
 * A clause as runtimes can ask it: one of each group has to have signed. "At least N of M" is the same as "one of
 * every M−N+1". A group without signers can never be met. Undefined when there would be too many groups.
 */
export function groupSigners(
  clause: SignatureClause,
  countsNow: (name: string) => readonly Signer[],
): Signer[][] | undefined {
  const { signers, threshold } = clause
  if (threshold > signers.length) return [[]]
  const groups = combine(signers, signers.length - threshold + 1)
  return groups?.map((names) => names.flatMap((name) => [...countsNow(name)]))
}

/**
 * The signers that count under a name as long as a runtime knows no state and no end: none that is revoked or
 * compromised, and none whose time is over.
 */
export function signersOf(name: string, signers: readonly Signer[], now: number): Signer[] {
  return signers.filter(
    (signer) =>
      (signer.countsAs ?? signer.name) === name &&
      (signer.state === 'active' || signer.state === 'verify-only') &&
      (signer.expiresAt === undefined || signer.expiresAt > now),
  )
}

/** Notes about signers whose end or past a runtime does not know of. */
export function noteStates(names: readonly string[], signers: readonly Signer[], now: number): string[] {
  return signers
    .filter((signer) => names.includes(signer.countsAs ?? signer.name))
    .flatMap(({ name, state, expiresAt }) => {
      if (state === 'revoked') return [`signer ${name} is revoked: what it signed before is refused too`]
      if (state === 'compromised') return []
      if (expiresAt === undefined) return []
      const day = new Date(expiresAt).toISOString().slice(0, 10)
      return [
        expiresAt > now
          ? `signer ${name} ends on ${day}, which the runtime does not know: export again by then`
          : `signer ${name} ended on ${day}: what it signed before is refused too`,
      ]
    })
}

/** Why a key cannot count under the policy whatever it signs; undefined when it can. */
export function whyKeyCannotCount(publicKey: string, { keyAlgorithms }: SignaturePolicy): string | undefined {
  const algorithm = algorithmOf(publicKey)
  if (algorithm === undefined) return 'its key is not understood'
  return keyAlgorithms.includes(algorithm) ? undefined : `the key algorithm ${algorithm} does not count here`
}

function algorithmOf(publicKey: string): KeyAlgorithm | undefined {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPublicKey(publicKey)
    if (type === 'ec') return curves[details?.namedCurve ?? '']
    return type === 'ed25519' || type === 'rsa' ? type : undefined
  } catch {
    return undefined
  }
}

function combine(items: readonly string[], size: number): string[][] | undefined {
  let found: string[][] = [[]]
  for (const [index, item] of items.entries()) {
    const left = items.length - index
    found = found.flatMap((chosen) => [
      ...(chosen.length < size ? [[...chosen, item]] : []),
      ...(chosen.length + left > size ? [chosen] : []),
    ])
    if (found.length > maximumGroups * 8) return undefined
  }
  return found.length > maximumGroups ? undefined : found
}
