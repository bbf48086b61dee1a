import { signatureClaim } from '../signing/offline.ts'
import type { SignaturePolicy } from '../policy/offline.ts'
import type { RuntimeTrust } from './types.ts'

/** The name of the server's own key among signers. */
export const serverSigner = 'server'

/**
 * The same trust for nodes that take the server's word: the server verifies every clause when it promotes an image,
 * and then signs it. Nodes only ask for that signature, which every runtime can.
 */
export function onlyServer(trust: RuntimeTrust): RuntimeTrust {
  return {
    ...trust,
    scopes: trust.scopes.map((scope) => ({
      ...scope,
      signatures: scope.signatures && askOnlyServer(scope.signatures, signatureClaim),
    })),
    signers: trust.signers.filter(({ name, countsAs }) => name === serverSigner || countsAs === serverSigner),
  }
}

/** A policy in which the server's word takes the place of all others'; where nothing is asked, nothing is. */
export function askOnlyServer(policy: SignaturePolicy, claim: string): SignaturePolicy {
  const level = policy.clauses[0]?.level
  if (level === undefined) return policy
  return {
    mode: policy.mode,
    formats: ['cosign-legacy', 'sigstore-bundle'],
    keyAlgorithms: ['ecdsa-p256'],
    clauses: [{ name: 'server', claim, signers: [serverSigner], threshold: 1, conditions: [], level }],
    // What the policy asks of the signatures of others was asked when the image was promoted.
    requireTimestamp: false,
    requireLog: false,
    bindReference: policy.bindReference,
    lastKnownGoodHours: policy.lastKnownGoodHours,
  }
}
