import type { Claim, Rejection, Signer } from './types.ts'

/** Successions are short; a longer one is a mistake in the data. */
const maximumSuccessions = 32

/**
 * Whether what a signer is proven to have signed still counts, by the signer's state. What was revoked from a
 * time on counts only with a proof, from a log or a timestamp authority, that it is older. The claims of a
 * successor are those of the signer as which it counts.
 */
export function judgeStanding(claim: Claim, signers: readonly Signer[], now: number): Claim | Rejection {
  const signer = signers.find(({ name }) => name === claim.signer)
  if (!signer) return reject(claim, `there is no signer ${claim.signer}`)
  const why = findFault(claim, signer, now)
  if (why !== undefined) return reject(claim, why)
  const name = nameInPolicies(signer, signers)
  return name === signer.name ? claim : { ...claim, signer: name, by: signer.name }
}

function findFault({ provenAt }: Claim, signer: Signer, now: number): string | undefined {
  const { name, state, revokedFrom, expiresAt } = signer
  if (state === 'compromised') return `the signer ${name} is compromised: nothing that it signed counts`
  if (state === 'revoked' && (provenAt ?? Infinity) >= (revokedFrom ?? 0)) {
    const from = revokedFrom === undefined ? '' : ` from ${iso(revokedFrom)}`
    return `the signer ${name} is revoked${from}, and this is not proven to be older`
  }
  // The holder of a key can claim any time: without a proof it is taken to be signed now.
  if (expiresAt !== undefined && (provenAt ?? now) >= expiresAt) {
    return `the signer ${name} ended at ${iso(expiresAt)}, and this is not proven to be older`
  }
  return undefined
}

function nameInPolicies(signer: Signer, signers: readonly Signer[]): string {
  let current = signer
  for (let step = 0; step < maximumSuccessions && current.countsAs !== undefined; step++) {
    const previous = signers.find(({ name }) => name === current.countsAs)
    if (!previous) break
    current = previous
  }
  return current.name
}

function reject(claim: Claim, why: string): Rejection {
  const { format, manifest, layer, reference } = claim
  return {
    status: 'untrusted',
    format,
    manifest,
    layer,
    why,
    claim: claim.claim,
    ...(reference === undefined ? {} : { reference }),
  }
}

function iso(time: number): string {
  return new Date(time).toISOString()
}
