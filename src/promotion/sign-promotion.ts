import { sign } from 'node:crypto'
import type { Database } from '../database/index.ts'
import type { Digest } from '../kernel/digest.ts'
import type { RepositoryName, Tag } from '../kernel/reference.ts'
import {
  findManifest,
  findRepository,
  parseManifest,
  resolveReference,
  storeBlobBytes,
  type ParsedManifest,
  type RegistryParts,
  type RepositoryRef,
} from '../registry/index.ts'
import {
  attestationTag,
  bundleReferrer,
  getServerKey,
  joinAttachments,
  legacySignature,
  serverSigner,
  signatureClaim,
  signaturePredicateType,
  signatureTag,
  signStatement,
  simpleSigningPayload,
  verifyStored,
  vsaPredicateType,
  type BuiltAttachment,
  type ServerKey,
  type Subject,
  type VerifyParts,
} from '../signing/index.ts'
import { isByPolicy, summarise, type Summary } from './summarise.ts'

/** What the server says of what it promotes, as manifests whose blobs lie in the source repository already. */
export interface SignedManifest {
  readonly digest: Digest
  readonly parsed: ParsedManifest
  readonly content: Buffer
  readonly tag?: Tag
}

export interface PromotionToSign extends Omit<Summary, 'subject'> {
  readonly source: RepositoryRef
  readonly target: RepositoryName
  readonly tag: Tag | undefined
  /** Images and indexes: each is signed by itself, since some runtimes ask for one and some for the other. */
  readonly subjects: readonly Subject[]
}

export interface SignPromotionParts extends VerifyParts {
  readonly registry: RegistryParts
}

/**
 * Signs what is promoted with the server's key under its new name, and attests why it was let through (SLSA
 * Verification Summary Attestation, version 1). What the target has of that already is not said again. Bytes are
 * stored before the transaction that links them; if that fails, garbage collection takes them.
 */
export async function signPromotion(
  parts: SignPromotionParts,
  promotion: PromotionToSign,
): Promise<SignedManifest[]> {
  const { registry } = parts
  const key = await getServerKey(registry.database, registry.clock)
  const target = await findRepository(registry.database, promotion.target)
  const signed: SignedManifest[] = []
  for (const subject of promotion.subjects) {
    const said = target ? await saidBefore(parts, promotion, target, subject) : nothingSaid
    const attachments = [
      ...(await signSubject(parts, { promotion, target, subject, key }, said)),
      ...(said.summary ? [] : [attestSubject(promotion, subject, key)]),
    ]
    for (const attachment of attachments) signed.push(await store(registry, promotion.source, attachment))
  }
  return signed
}

/** What the server said of an image under this name when it was promoted before. */
interface Said {
  readonly bundle: boolean
  readonly legacy: boolean
  /** By the same policy. */
  readonly summary: boolean
}

const nothingSaid: Said = { bundle: false, legacy: false, summary: false }

async function saidBefore(
  parts: SignPromotionParts,
  promotion: PromotionToSign,
  { id }: RepositoryRef,
  { digest }: Subject,
): Promise<Said> {
  const { claims } = await verifyStored(parts, id, digest)
  const name = signedName(promotion)
  const own = claims.filter((claim) => claim.signer === serverSigner && claim.reference === name)
  const signs = (format: string): boolean =>
    own.some((claim) => claim.claim === signatureClaim && claim.format === format)
  return {
    bundle: signs('sigstore-bundle'),
    legacy: signs('cosign-legacy'),
    summary: own.some(
      ({ claim, predicate }) => claim === vsaPredicateType && isByPolicy(predicate, promotion.policy.digest),
    ),
  }
}

/** The name under which the server signs: the bindings of policies read it. */
export function signedName({
  serverUrl,
  target,
  tag,
}: Pick<PromotionToSign, 'serverUrl' | 'target' | 'tag'>): string {
  return `${new URL(serverUrl).host}/${target}${tag === undefined ? '' : `:${tag}`}`
}

interface Signing {
  readonly promotion: PromotionToSign
  readonly target: RepositoryRef | undefined
  readonly subject: Subject
  readonly key: ServerKey
}

/**
 * Both forms: skopeo, Podman and CRI-O read the tag only, cosign 3 looks for the bundle first. What others put under
 * cosign's tags, here and at the target, goes along.
 */
async function signSubject(
  { registry: { database } }: SignPromotionParts,
  { promotion, target, subject, key }: Signing,
  said: Said,
): Promise<BuiltAttachment[]> {
  const { source, now } = promotion
  const reference = signedName(promotion)
  const held = (tag: Tag): Promise<Buffer[]> => manifestsUnder(database, [target, source], tag)
  const [signatures, attestations] = [signatureTag(subject.digest), attestationTag(subject.digest)]
  const statement = {
    subject: { name: reference, digest: subject.digest },
    predicateType: signaturePredicateType,
    predicate: {},
  }
  const payload = simpleSigningPayload(subject.digest, reference, now)
  return [
    said.bundle
      ? undefined
      : bundleReferrer(signStatement(key, statement), signaturePredicateType, subject, now),
    said.legacy
      ? joinAttachments(signatures, await held(signatures))
      : legacySignature(await held(signatures), payload, signPayload(payload, key), subject.digest),
    joinAttachments(attestations, await held(attestations)),
  ].filter((attachment) => attachment !== undefined)
}

function signPayload(payload: Buffer, { privateKey }: ServerKey): Buffer {
  return sign('sha256', payload, { key: privateKey, dsaEncoding: 'der' })
}

async function manifestsUnder(
  database: Database,
  repositories: readonly (RepositoryRef | undefined)[],
  tag: Tag,
): Promise<Buffer[]> {
  const found: Buffer[] = []
  for (const repository of repositories) {
    if (!repository) continue
    const digest = await resolveReference(database, repository.id, { kind: 'tag', tag })
    const manifest = digest && (await findManifest(database, repository.id, digest))
    if (manifest) found.push(manifest.content)
  }
  return found
}

function attestSubject(promotion: PromotionToSign, subject: Subject, key: ServerKey): BuiltAttachment {
  const statement = {
    subject: { name: signedName(promotion), digest: subject.digest },
    predicateType: vsaPredicateType,
    predicate: summarise({ ...promotion, subject: subject.digest }),
  }
  return bundleReferrer(signStatement(key, statement), vsaPredicateType, subject, promotion.now)
}

async function store(
  registry: RegistryParts,
  { id }: RepositoryRef,
  { manifest, digest, mediaType, blobs, tag }: BuiltAttachment,
): Promise<SignedManifest> {
  for (const blob of blobs) await storeBlobBytes(registry, id, blob)
  return {
    digest,
    parsed: parseManifest(manifest, mediaType),
    content: manifest,
    ...(tag === undefined ? {} : { tag }),
  }
}
