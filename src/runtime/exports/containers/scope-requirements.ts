import type { SignatureClause, SignaturePolicy } from '../../../policy/offline.ts'
import { signatureClaim } from '../../../signing/offline.ts'
import type { ExportOptions, RuntimeScope, RuntimeTrust } from '../../types.ts'
import { groupSigners, noteStates, signersOf } from '../ask-signers.ts'
import { isRepositoryName, type PrefixNode } from '../prefix-tree.ts'
import { identityFor, type SignedIdentity } from './identity.ts'
import { requirementFor, type Requirement } from './requirement.ts'

export interface ScopeRequirements {
  /** All have to hold. */
  readonly requirements: readonly Requirement[]
  readonly notes: readonly string[]
}

export const accept: Requirement = { type: 'insecureAcceptAnything' }
export const reject: Requirement = { type: 'reject' }

/** What is asked below a prefix: all that its scopes ask, as any of them may be the one that holds. */
export function requirementsOf(
  trust: RuntimeTrust,
  options: ExportOptions,
  node: PrefixNode,
): ScopeRequirements {
  const all = node.scopes.map((scope) => askScope(trust, options, node, scope))
  return {
    requirements: meetRequirements([
      ...all.flatMap(({ requirements }) => requirements),
      ...(node.isOpen ? [reject] : []),
    ]),
    notes: all.flatMap(({ notes }) => notes),
  }
}

/** Requirements in which nothing stands twice; one that refuses everything stands for all. */
export function meetRequirements(requirements: readonly Requirement[]): Requirement[] {
  if (requirements.some(({ type }) => type === 'reject')) return [reject]
  const asked = requirements.filter(({ type }) => type !== 'insecureAcceptAnything')
  const texts = asked.map((one) => JSON.stringify(one))
  const found = asked.filter((_, index) => texts.indexOf(texts[index] as string) === index)
  return found.length > 0 ? found : [accept]
}

function askScope(
  trust: RuntimeTrust,
  options: ExportOptions,
  { prefix }: PrefixNode,
  { repositories, signatures }: RuntimeScope,
): ScopeRequirements {
  const note = (text: string): string => `${repositories}: ${text}`
  if (!signatures || signatures.mode === 'off' || signatures.clauses.length === 0) {
    return { requirements: [accept], notes: [] }
  }
  if (signatures.mode !== 'enforce') {
    const why = `the mode is ${signatures.mode}, which the runtime does not know: images are accepted unsigned`
    return { requirements: [accept], notes: [note(why)] }
  }
  const bound = identityFor(trust, signatures, prefix, isRepositoryName(repositories))
  const asked = [
    ...signatures.clauses.map((clause) => askClause(trust, options, signatures, clause, bound.identity)),
    ...whatElse(signatures).map((what) => unexpressible(options, what)),
  ]
  return {
    requirements: asked.flatMap(({ requirements }) => requirements),
    notes: [...bound.notes, ...asked.flatMap(({ notes }) => notes)].map(note),
  }
}

function askClause(
  { signers, issuedAt }: RuntimeTrust,
  options: ExportOptions,
  policy: SignaturePolicy,
  clause: SignatureClause,
  identity: SignedIdentity,
): ScopeRequirements {
  const about = (text: string): string => `clause ${clause.name}: ${text}`
  if (clause.claim !== signatureClaim) {
    return unexpressible(options, about(`attestations (${clause.claim}) cannot be asked`))
  }
  const groups = groupSigners(clause, (name) => signersOf(name, signers, issuedAt))
  if (!groups) {
    const what = `${clause.threshold} of ${clause.signers.length} signers cannot be asked`
    return unexpressible(options, about(what))
  }
  const asked = groups.map((group) => requirementFor(group, policy, identity))
  const leftOut = [...new Set(asked.flatMap((one) => one.leftOut))]
  const notes = [
    ...(leftOut.length > 0 ? [about(`does not count: ${leftOut.join(', ')}`)] : []),
    ...noteStates(clause.signers, signers, issuedAt).map(about),
  ]
  if (asked.some(({ requirement }) => requirement === undefined)) {
    const failed = unexpressible(options, about('no signer is left that could be asked'))
    return { requirements: failed.requirements, notes: [...notes, ...failed.notes] }
  }
  return { requirements: asked.map(({ requirement }) => requirement as Requirement), notes }
}

/** What the policy asks of every signature and the runtime cannot. */
function whatElse({ requireTimestamp, maximumAgeDays }: SignaturePolicy): string[] {
  return [
    ...(requireTimestamp ? ['timestamps of an authority cannot be asked'] : []),
    ...(maximumAgeDays === undefined
      ? []
      : [`the age of a signature (${maximumAgeDays} days) cannot be asked`]),
  ]
}

function unexpressible({ unexpressible: how }: ExportOptions, what: string): ScopeRequirements {
  return how === 'reject'
    ? { requirements: [reject], notes: [`${what}: every image is refused; --signer server can be asked`] }
    : {
        requirements: [accept],
        notes: [`LOOSER: ${what}, and is left out, as asked by --unexpressible skip`],
      }
}
