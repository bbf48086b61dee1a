import { sign } from 'node:crypto'
import type { Digest } from '../kernel/digest.ts'
import type { RepositoryName, Tag } from '../kernel/reference.ts'
import {
  findManifest,
  parseManifest,
  resolveReference,
  storeBlobBytes,
  type ParsedManifest,
  type RegistryParts,
  type RepositoryRef,
} from '../registry/index.ts'
import {
  bundleReferrer,
  getServerKey,
  legacySignature,
  signaturePredicateType,
  signatureTag,
  signStatement,
  simpleSigningPayload,
  vsaPredicateType,
  type BuiltAttachment,
  type ServerKey,
  type Subject,
} from '../signing/index.ts'
import { summarise, type Summary } from './summarise.ts'

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

export interface SignPromotionParts {
  readonly registry: RegistryParts
}

/**
 * Signs what is promoted with the server's key under its new name, and attests why it was let through (SLSA
 * Verification Summary Attestation, version 1). Bytes are stored before the transaction that links them; if that
 * fails, garbage collection takes them.
 */
export async function signPromotion(
  parts: SignPromotionParts,
  promotion: PromotionToSign,
): Promise<SignedManifest[]> {
  const { registry } = parts
  const key = await getServerKey(registry.database, registry.clock)
  const signed: SignedManifest[] = []
  for (const subject of promotion.subjects) {
    const attachments = [
      ...(await signSubject(parts, promotion, subject, key)),
      attestSubject(promotion, subject, key),
    ]
    for (const attachment of attachments) signed.push(await store(registry, promotion.source, attachment))
  }
  return signed
}

/** The name under which the server signs: the bindings of policies read it. */
export function signedName({
  serverUrl,
  target,
  tag,
}: Pick<PromotionToSign, 'serverUrl' | 'target' | 'tag'>): string {
  return `${new URL(serverUrl).host}/${target}${tag === undefined ? '' : `:${tag}`}`
}

/** Both forms: skopeo, Podman and CRI-O read the tag only, cosign 3 looks for the bundle first. */
async function signSubject(
  parts: SignPromotionParts,
  promotion: PromotionToSign,
  subject: Subject,
  key: ServerKey,
): Promise<BuiltAttachment[]> {
  const { source, now } = promotion
  const reference = signedName(promotion)
  const payload = simpleSigningPayload(subject.digest, reference, now)
  const signature = sign('sha256', payload, { key: key.privateKey, dsaEncoding: 'der' })
  const statement = {
    subject: { name: reference, digest: subject.digest },
    predicateType: signaturePredicateType,
    predicate: {},
  }
  return [
    bundleReferrer(signStatement(key, statement), signaturePredicateType, subject, now),
    legacySignature(
      await existingSignatures(parts.registry, source, subject.digest),
      payload,
      signature,
      subject.digest,
    ),
  ]
}

async function existingSignatures(
  { database }: RegistryParts,
  { id }: RepositoryRef,
  subject: Digest,
): Promise<Buffer | undefined> {
  const digest = await resolveReference(database, id, { kind: 'tag', tag: signatureTag(subject) })
  return digest && (await findManifest(database, id, digest))?.content
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
