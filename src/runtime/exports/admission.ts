import type { SignatureClause, SignaturePolicy } from '../../policy/offline.ts'
import { signatureClaim, type Signer } from '../../signing/offline.ts'
import type { ExportOptions, RuntimeScope, RuntimeTrust } from '../types.ts'
import { groupSigners, noteStates, signersOf } from './ask-signers.ts'

/** What an admission controller is to ask for the images of one scope. */
export interface AdmissionScope {
  readonly repositories: string
  readonly policy: SignaturePolicy
  /** It refuses everything, as what the policy asks cannot be asked. */
  readonly isRefused: boolean
  /** All have to hold. */
  readonly asks: readonly AdmissionAsk[]
  readonly notes: readonly string[]
}

export interface AdmissionAsk {
  readonly clause: SignatureClause
  /** One of these. */
  readonly signers: readonly Signer[]
}

/** What a controller can ask of whom. */
export interface AdmissionAbilities {
  /** Why a signer cannot be asked under a policy; undefined when it can. */
  whyNot(signer: Signer, policy: SignaturePolicy): string | undefined
  /** What the policy asks of every signature and the controller cannot. */
  problemsOf(policy: SignaturePolicy): readonly string[]
}

/** The scopes in which something is asked. Where patterns overlap, controllers ask for all of them. */
export function admissionScopes(
  trust: RuntimeTrust,
  options: ExportOptions,
  abilities: AdmissionAbilities,
): AdmissionScope[] {
  return trust.scopes
    .filter(({ namespace, isStageName }) => namespace === undefined && !isStageName)
    .flatMap((scope) => askScope(trust, options, abilities, scope))
}

function askScope(
  trust: RuntimeTrust,
  options: ExportOptions,
  abilities: AdmissionAbilities,
  { repositories, signatures: policy }: RuntimeScope,
): AdmissionScope[] {
  if (!policy || policy.mode === 'off' || policy.clauses.length === 0) return []
  const judged = policy.clauses.map((clause) => askClause(trust, abilities, policy, clause))
  const problems = [
    ...judged.flatMap(({ problem }) => (problem === undefined ? [] : [problem])),
    ...abilities.problemsOf(policy),
    ...bindingProblem(policy),
  ]
  const isRefused = problems.length > 0 && options.unexpressible === 'reject'
  const told = problems.map((what) =>
    isRefused ? `${what}: every image is refused` : `LOOSER: ${what}, and is left out`,
  )
  const named =
    policy.bindReference === 'named' ? ['LOOSER: a signature that names another repository counts too'] : []
  const notes = [...judged.flatMap((one) => one.notes), ...told, ...(isRefused ? [] : named)]
  return [
    {
      repositories,
      policy,
      isRefused,
      asks: isRefused ? [] : judged.flatMap(({ asks }) => asks),
      notes: notes.map((text) => `${repositories}: ${text}`),
    },
  ]
}

/** Names in signatures are not looked at by any controller: a signature can be copied to another repository. */
function bindingProblem({ bindReference }: SignaturePolicy): string[] {
  const isBound = bindReference === 'repository' || bindReference === 'tag'
  return isBound ? [`signatures cannot be bound to the ${bindReference}`] : []
}

interface JudgedClause {
  readonly asks: readonly AdmissionAsk[]
  readonly problem?: string
  readonly notes: readonly string[]
}

function askClause(
  { signers, issuedAt }: RuntimeTrust,
  abilities: AdmissionAbilities,
  policy: SignaturePolicy,
  clause: SignatureClause,
): JudgedClause {
  const about = (text: string): string => `clause ${clause.name}: ${text}`
  const kind = clause.claim === signatureClaim ? 'signature' : 'attestation'
  if (clause.conditions.length > 0) {
    return { asks: [], problem: about(`conditions of an ${kind} cannot be asked`), notes: [] }
  }
  const leftOut: string[] = []
  const groups = groupSigners(clause, (name) =>
    signersOf(name, signers, issuedAt).filter((signer) => {
      const why = abilities.whyNot(signer, policy)
      if (why !== undefined) leftOut.push(`${signer.name} (${why})`)
      return why === undefined
    }),
  )
  const notes = [
    ...(leftOut.length > 0 ? [about(`does not count: ${[...new Set(leftOut)].join(', ')}`)] : []),
    ...noteStates(clause.signers, signers, issuedAt).map(about),
  ]
  if (!groups)
    return { asks: [], problem: about(`${clause.threshold} of so many signers cannot be asked`), notes }
  if (groups.some((group) => group.length === 0)) {
    return { asks: [], problem: about('too few signers are left that could be asked'), notes }
  }
  return { asks: groups.map((group) => ({ clause, signers: group })), notes }
}
