import type { Digest } from '../kernel/digest.ts'
import { findManifest } from '../registry/index.ts'
import { findExceptions } from './assess-image.ts'
import { decideVerdict } from './decide-verdict.ts'
import { gatherEvidence, type EvidenceParts } from './gather-evidence.ts'
import { joinIndex, missingChild } from './judge.ts'
import { effectivePolicy, type PolicyDocuments } from './levels/effective-policy.ts'
import type { EffectivePolicy } from './levels/types.ts'
import { evaluateManifest } from './evaluate-manifest.ts'
import { allowedTags } from './signatures/allowed-tags.ts'
import { withoutLastAnswer } from './signatures/held-at.ts'
import { childrenOf, findManualDecision, findVerdict } from './store.ts'
import type { Verdict } from './types.ts'

/** A manifest in a repository. */
export interface FleetImage {
  /** Of the repository, as is the name. */
  readonly id: string
  readonly name: string
  readonly digest: Digest
  readonly kind: string
}

export interface Judged {
  readonly verdict: Verdict
  /** The tags under which it is signed, where signatures are bound to tags. */
  readonly signedTags?: readonly string[]
}

const hourMs = 3_600_000
const maximumDepth = 8

/** Judges stored images under documents that are not in force. Remembers what it did, as indexes share images. */
export class FleetJudge {
  readonly #parts: EvidenceParts
  readonly #documents: PolicyDocuments
  readonly #policies = new Map<string, EffectivePolicy>()
  readonly #judged = new Map<string, Judged>()

  constructor(parts: EvidenceParts, documents: PolicyDocuments) {
    this.#parts = parts
    this.#documents = documents
  }

  async judge(image: FleetImage, depth = 0): Promise<Judged> {
    const key = `${image.id} ${image.digest}`
    const known = this.#judged.get(key)
    if (known) return known
    const judged = await this.#judgeNow(image, depth)
    this.#judged.set(key, judged)
    return judged
  }

  async #judgeNow(image: FleetImage, depth: number): Promise<Judged> {
    const { id, name, digest, kind } = image
    const policy = this.#policyOf(name)
    const evidence = withoutLastAnswer(await gatherEvidence(this.#parts, { id, name }, digest, policy))
    const exceptions = await findExceptions(this.#parts, name, evidence)
    const { outcomes, signatures } = evaluateManifest(policy, evidence, kind, exceptions)
    const { database, clock } = this.#parts
    const own = decideVerdict({
      outcomes,
      previous: await findVerdict(database, id, digest),
      manual: await findManualDecision(database, id, digest),
      policyVersion: 0,
      recallGraceMs: (this.#documents.organisation.recallGraceHours ?? 72) * hourMs,
      now: clock.now(),
    })
    const signedTags = allowedTags(signatures, evidence)
    const isByHand = own.reasons.some(({ rule }) => rule === 'by hand')
    const verdict =
      kind === 'image' || isByHand ? own : joinIndex(own, await this.#judgeChildren(image, own, depth))
    return { verdict, ...(signedTags ? { signedTags } : {}) }
  }

  async #judgeChildren(
    { id, name, digest }: FleetImage,
    own: Verdict,
    depth: number,
  ): Promise<{ readonly kind: string; readonly verdict: Verdict }[]> {
    const found: { kind: string; verdict: Verdict }[] = []
    for (const child of await childrenOf(this.#parts.database, digest)) {
      const kind = (await findManifest(this.#parts.database, id, child))?.kind
      const isTooDeep = depth >= maximumDepth
      const verdict =
        kind === undefined || isTooDeep
          ? missingChild(child, own)
          : kind === 'artifact'
            ? ((await findVerdict(this.#parts.database, id, child)) ?? missingChild(child, own))
            : (await this.judge({ id, name, digest: child, kind }, depth + 1)).verdict
      found.push({ kind: kind ?? 'missing', verdict })
    }
    return found
  }

  #policyOf(repository: string): EffectivePolicy {
    const policy = this.#policies.get(repository) ?? effectivePolicy(this.#documents, repository)
    this.#policies.set(repository, policy)
    return policy
  }
}
