import {
  allowedTags,
  evaluateClaims,
  isNamed,
  judgeSignatures,
  namesForSigners,
  readSignedReference,
  type RuleOutcome,
  type SignatureEvidence,
  type SignaturePolicy,
} from '../policy/offline.ts'
import { askOnlyServer, findScope, serverSigner, type RuntimeScope } from '../runtime/offline.ts'
import {
  signatureClaim,
  verifyImage,
  type Claim,
  type EvidenceSource,
  type Subject,
  type Verification,
} from '../signing/offline.ts'
import { normalizeHost } from './normalize-host.ts'
import { type ImageReference } from './read-call.ts'
import type { Node } from './read-node.ts'

/** SLSA "Verification Summary Attestation (VSA)", version 1: what the server attaches when it promotes. */
const summaryClaim = 'https://slsa.dev/verification_summary/v1'

/** The word of a node about an image. */
export interface Answer {
  readonly isAllowed: boolean
  /** For people, in one line. */
  readonly reason: string
  /** What it rests on. */
  readonly evidence?: Readonly<Record<string, unknown>>
}

export interface ImageQuestion {
  readonly image: ImageReference
  readonly subject: Subject
  /** Where the signatures of a repository of this registry are. */
  readonly sourceOf: (repository: string) => EvidenceSource
  readonly now: number
}

/** Judges an image by what the node trusts. What cannot be told is refused. */
export async function judgeImage(node: Node, question: ImageQuestion): Promise<Answer> {
  const { config, trust } = node
  const { image } = question
  if (image.host !== normalizeHost(config.registry)) {
    return config.others === 'accept'
      ? allow(`${image.host} is not ${config.registry}, and other registries are accepted unverified here`)
      : refuse(
          `${image.host} is not ${config.registry}, and other registries are refused here; mirror the image, or set others to accept in node.json`,
        )
  }
  const scope = findScope(trust.scopes, image.repository)
  if (!scope) return refuse(`the policy knows no repository ${image.repository}; export the trust again`)
  const policy = scope.signatures
  if (!policy || policy.mode === 'off' || policy.clauses.length === 0) {
    return allow(`the policy asks for no signature in ${scope.repositories}`)
  }
  const verification = await verifyImage(
    question.sourceOf(image.repository),
    question.subject,
    trust.signers,
    question.now,
  )
  const judged = await Promise.all(
    policiesFor(config.signer, policy).map((one) => judgeBy(node, question, one, verification)),
  )
  const outcome = judged.find(({ isHeld }) => isHeld) ?? judged[0]
  return answer(policy, scope, outcome as Judged)
}

/** All that the policy asks; or the word of the server, given as a signature or as a summary of what it verified. */
function policiesFor(signer: Node['config']['signer'], policy: SignaturePolicy): SignaturePolicy[] {
  if (signer === 'policy') return [policy]
  const bindReference = policy.bindReference === 'tag' ? 'tag' : 'repository'
  return [signatureClaim, summaryClaim].map((claim) => ({ ...askOnlyServer(policy, claim), bindReference }))
}

interface Judged {
  readonly isHeld: boolean
  readonly outcome: RuleOutcome | undefined
  /** It holds, but for another tag than the one that is pulled. */
  readonly otherTag?: string
}

async function judgeBy(
  { trust }: Node,
  question: ImageQuestion,
  policy: SignaturePolicy,
  found: Verification,
): Promise<Judged> {
  const { image, now } = question
  const boundTo = namesForSigners(trust.names, [image.repository])
  const isServersWord = policy.clauses.every(
    ({ claim, signers }) => claim === summaryClaim && signers[0] === serverSigner,
  )
  const claims = isServersWord
    ? found.claims.filter((claim) => isGoodSummary(claim, question, boundTo))
    : found.claims
  const verification = { ...found, claims }
  const signatures: SignatureEvidence = {
    verification,
    boundTo,
    tags: image.tag === undefined ? [] : [image.tag],
    conditions: await evaluateClaims(
      policy,
      claims.map((claim) => ({ claim, subject: found.subject })),
      now,
    ),
  }
  const outcome = judgeSignatures(policy, { signatures, now })
  const isHeld = outcome === undefined || outcome.outcome === 'pass'
  const tags = allowedTags(policy, { signatures, now })
  if (isHeld && image.tag !== undefined && tags?.includes(image.tag) === false) {
    return { isHeld: false, outcome, otherTag: image.tag }
  }
  return { isHeld, outcome }
}

/** A summary counts when it says that the image passed, and says so of this repository. */
function isGoodSummary(
  { claim, predicate }: Claim,
  { image: { repository }, subject: { digest } }: ImageQuestion,
  boundTo: readonly string[],
): boolean {
  if (claim !== summaryClaim) return false
  const { verificationResult, resourceUri } = (predicate ?? {}) as Readonly<Record<string, unknown>>
  if (verificationResult !== 'PASSED' || typeof resourceUri !== 'string') return false
  const resource = resourceUri.replace(/^oci:\/\//, '')
  // The server names its own repositories without a host.
  if (resource === `${repository}@${digest}`) return true
  const named = readSignedReference(resource)
  return named !== undefined && isNamed(named, boundTo)
}

function answer({ mode }: SignaturePolicy, { repositories }: RuntimeScope, judged: Judged): Answer {
  const { isHeld, outcome, otherTag } = judged
  const why =
    otherTag === undefined
      ? (outcome?.message ?? 'nothing is asked')
      : `the signatures are not for the tag ${otherTag}, to which ${repositories} binds them`
  const evidence = outcome?.evidence
  const all = { reason: why, ...(evidence ? { evidence } : {}) }
  if (isHeld) return { isAllowed: true, ...all }
  if (mode === 'enforce') return { isAllowed: false, ...all }
  return {
    isAllowed: true,
    ...all,
    reason: `accepted although it does not hold, as the mode is ${mode}: ${why}`,
  }
}

function allow(reason: string): Answer {
  return { isAllowed: true, reason }
}

function refuse(reason: string): Answer {
  return { isAllowed: false, reason }
}
