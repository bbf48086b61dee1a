import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Digest } from '../kernel/digest.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import type { RuleOutcome } from '../policy/index.ts'

/** What a summary is made of. */
export interface Summary {
  /** What the verifier is called. */
  readonly serverUrl: string
  readonly subject: Digest
  readonly target: RepositoryName
  readonly stage: string
  readonly policy: { readonly version: number; readonly digest: string }
  readonly outcomes: readonly RuleOutcome[]
  /** Manifests of the signatures and attestations that were looked at. */
  readonly evidence: readonly Digest[]
  readonly now: number
}

const maximumEvidence = 200

/**
 * The predicate of a Verification Summary Attestation (SLSA, "Verification Summary Attestation (VSA)", version 1.1):
 * who verified, by which policy, on what evidence, with what result. `pratique` says which rules were asked.
 */
export function summarise(summary: Summary): object {
  const { serverUrl, subject, target, stage, policy, outcomes, evidence, now } = summary
  return {
    verifier: { id: serverUrl },
    timeVerified: new Date(now).toISOString(),
    resourceUri: `oci://${target}@${subject}`,
    policy: {
      uri: `${serverUrl}/api/v1/policy?version=${policy.version}`,
      digest: { sha256: policy.digest.replace('sha256:', '') },
    },
    inputAttestations: evidence.slice(0, maximumEvidence).map((digest) => ({
      uri: `oci://${target}@${digest}`,
      digest: { [digest.slice(0, digest.indexOf(':'))]: digest.slice(digest.indexOf(':') + 1) },
    })),
    verificationResult: 'PASSED',
    // Nothing is claimed of how it was built: the policy's own levels are the stages.
    verifiedLevels: ['SLSA_BUILD_LEVEL_UNEVALUATED', `PRATIQUE_STAGE_${stage.toUpperCase()}`],
    slsaVersion: '1.1',
    pratique: {
      stage,
      policyVersion: policy.version,
      rules: outcomes.map(({ rule, outcome, message, level, mode, exception }) => ({
        rule,
        outcome,
        message,
        ...(level === undefined ? {} : { level }),
        ...(mode === undefined ? {} : { mode }),
        ...(exception === undefined ? {} : { exception }),
      })),
    },
  }
}

const SummaryOfPolicy = Type.Object({
  policy: Type.Object({ digest: Type.Object({ sha256: Type.String() }) }),
})

/** Whether a summary was made by a policy. */
export function isByPolicy(predicate: unknown, digest: string): boolean {
  return Value.Check(SummaryOfPolicy, predicate) && `sha256:${predicate.policy.digest.sha256}` === digest
}
