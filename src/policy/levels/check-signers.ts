import type { Signer } from '../../signing/offline.ts'
import { invalid } from '../parse-document.ts'
import type { PolicyLevel } from './types.ts'

export type KnownSigner = Pick<Signer, 'name' | 'state' | 'countsAs'>

/** Throws POLICY_INVALID for a signer that there is not, or that goes by another name in policies. */
export function refuseUnknownSigners(levels: readonly PolicyLevel[], known: readonly KnownSigner[]): void {
  for (const { level, clause, signer } of namedSigners(levels)) {
    const found = known.find(({ name }) => name === signer)
    const where = `${level}, clause ${clause}`
    if (!found) {
      throw invalid(
        `${where}: there is no signer ${signer}; name one first (pratique signer add ${signer} --key FILE)`,
      )
    }
    if (found.countsAs !== undefined) {
      throw invalid(`${where}: ${signer} counts as ${found.countsAs}; name that one`)
    }
  }
}

/** Of signers whose word no longer counts, or soon will not: a sentence each. */
export function warnOfSigners(levels: readonly PolicyLevel[], known: readonly KnownSigner[]): string[] {
  return namedSigners(levels).flatMap(({ level, clause, signer }) => {
    const state = known.find(({ name }) => name === signer)?.state
    const isGone = state === 'revoked' || state === 'compromised'
    return isGone ? [`${level}, clause ${clause}: the signer ${signer} is ${state}`] : []
  })
}

function namedSigners(levels: readonly PolicyLevel[]): { level: string; clause: string; signer: string }[] {
  return levels.flatMap(({ level, rules }) =>
    (rules.signatures?.require ?? []).flatMap(({ name, signers }) =>
      signers.map((signer) => ({ level, clause: name, signer })),
    ),
  )
}
