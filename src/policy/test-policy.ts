import { countsAgainst } from './counts-against.ts'
import { checkOrganisation, checkProject, currentDocuments } from './check-documents.ts'
import { findExceptions } from './assess-image.ts'
import { evaluateManifest, type Evaluated } from './evaluate-manifest.ts'
import { gatherEvidence, type EvidenceParts } from './gather-evidence.ts'
import { effectivePolicy, type PolicyDocuments } from './levels/effective-policy.ts'
import type { EffectivePolicy } from './levels/types.ts'
import { platformImages, resolveImage, type NamedImage } from './resolve-image.ts'
import { allowedTags } from './signatures/allowed-tags.ts'
import type { SignaturePolicy } from './signatures/types.ts'
import type { Evidence, RuleOutcome } from './types.ts'
import type { TestBody, TestRequest } from './wire.ts'

/**
 * Evaluates every level and rule on an image now, under the documents in force or under another one. Nothing is
 * changed, and no decision by hand counts. Throws IMAGE_UNKNOWN or POLICY_INVALID.
 */
export async function testPolicy(parts: EvidenceParts, request: TestRequest): Promise<TestBody> {
  const named = await resolveImage(parts.database, request.image)
  const { repository, manifest } = named
  const policy = effectivePolicy(await documentsOf(parts, request), repository.name)
  const evidence = await evidenceOf(parts, named, policy, request.reference)
  const own = await testOne(parts, named, policy, evidence, manifest.kind)
  const images = [own, ...(manifest.kind === 'index' ? await testPlatforms(parts, named, policy) : [])]
  const tag = tellTag(own.signatures, evidence, request.reference)
  return {
    image: `${repository.name}@${manifest.digest}`,
    repository: repository.name,
    state: stateOf(
      images.flatMap(({ outcomes }) => outcomes),
      tag,
    ),
    policyDigest: policy.digest,
    levels: policy.levels.map(({ level }) => level),
    images: images.map(showTested),
    ...(tag ? { reference: tag } : {}),
  }
}

async function documentsOf(
  parts: EvidenceParts,
  { document, project }: TestRequest,
): Promise<PolicyDocuments> {
  if (document === undefined) return currentDocuments(parts)
  const checked =
    project === undefined
      ? await checkOrganisation(parts, document)
      : await checkProject(parts, project, document)
  return checked.documents
}

/** With the tag that is asked about among those that the image has. */
async function evidenceOf(
  parts: EvidenceParts,
  { repository, manifest }: NamedImage,
  policy: EffectivePolicy,
  tag: string | undefined,
): Promise<Evidence> {
  const evidence = await gatherEvidence(parts, repository, manifest.digest, policy)
  if (tag === undefined) return evidence
  const tags = [...new Set([...evidence.signatures.tags, tag])]
  return { ...evidence, signatures: { ...evidence.signatures, tags } }
}

interface Tested extends Evaluated {
  readonly digest: string
  readonly kind: string
  readonly platform?: string
}

async function testOne(
  parts: EvidenceParts,
  { repository }: NamedImage,
  policy: EffectivePolicy,
  evidence: Evidence,
  kind: string,
): Promise<Tested> {
  const exceptions = await findExceptions(parts, repository.name, evidence)
  const evaluated = evaluateManifest(policy, evidence, kind, exceptions)
  return { digest: evidence.signatures.verification.subject, kind, ...evaluated }
}

async function testPlatforms(
  parts: EvidenceParts,
  named: NamedImage,
  policy: EffectivePolicy,
): Promise<Tested[]> {
  const tested: Tested[] = []
  for (const { digest, platform } of await platformImages(parts.database, named)) {
    const evidence = await gatherEvidence(parts, named.repository, digest, policy)
    const image = await testOne(parts, named, policy, evidence, 'image')
    tested.push({ ...image, ...(platform === undefined ? {} : { platform }) })
  }
  return tested
}

function tellTag(
  /** What of the policy still has to hold, beside exceptions. */
  asked: SignaturePolicy | undefined,
  evidence: Evidence,
  tag: string | undefined,
): TestBody['reference'] {
  if (tag === undefined) return undefined
  const allowed = allowedTags(asked, evidence)
  return {
    tag,
    isAllowed: allowed?.includes(tag) ?? true,
    ...(allowed ? { allowedTags: [...allowed] } : {}),
  }
}

function stateOf(outcomes: readonly RuleOutcome[], tag: TestBody['reference']): TestBody['state'] {
  const counted = outcomes.filter(countsAgainst)
  if (counted.some(({ outcome }) => outcome === 'fail') || tag?.isAllowed === false) return 'fail'
  return counted.length > 0 ? 'undetermined' : 'pass'
}

function showTested({ digest, kind, platform, outcomes }: Tested): TestBody['images'][number] {
  return {
    digest,
    kind,
    ...(platform === undefined ? {} : { platform }),
    outcomes: outcomes.map(showOutcome),
  }
}

/** An outcome as it goes over the wire. */
export function showOutcome(outcome: RuleOutcome): TestBody['images'][number]['outcomes'][number] {
  const { evidence, ...rest } = outcome
  return { ...rest, ...(evidence ? { evidence: { ...evidence } } : {}) }
}
