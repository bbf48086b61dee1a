import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { isDigest, type Digest } from '../../kernel/digest.ts'
import { mediaTypes } from '../../kernel/media-types.ts'
import {
  fallbackTagOf,
  RemoteFailure,
  type RemoteManifest,
  type RemoteRepository,
} from '../../registry/offline.ts'
import { attestationTag, signatureTag } from '../collect-attachments.ts'
import { SigningFailure } from '../failures.ts'
import type { Subject } from '../types.ts'
import { readPemBlocks } from '../trusted-roots/pem.ts'
import {
  bundleReferrer,
  legacyAttestation,
  legacySignature,
  notationReferrer,
  type BuiltAttachment,
} from './attachments.ts'
import { findSameBundle, findSameLegacy } from './find-same-signature.ts'
import { signaturePredicateType, simpleSigningPayload } from './payloads.ts'
import { signBytesBy, signStatementBy } from './sign-content.ts'
import type { Signatory } from './signatory.ts'

/**
 * The first two are written unless only one is wanted: cosign 3 reads bundles first, containers/image only the tag.
 * `notation` needs a chain of certificates.
 */
export const signatureForms = ['bundle', 'legacy', 'notation'] as const
export type SignatureForm = (typeof signatureForms)[number]

export interface SignRequest {
  readonly repository: RemoteRepository
  /** Tag or digest; resolved once. */
  readonly reference: string
  /** The tag that the signature names; the reference, when that is one. */
  readonly tag?: string
  readonly signatory: Signatory
  readonly forms: readonly SignatureForm[]
  /** Sign every platform of an index too: containers/image asks about the platform, containerd about the index. */
  readonly recursive: boolean
  readonly now: number
}

/** One manifest that was signed, and what now hangs on it. */
export interface SignedSubject {
  readonly subject: Digest
  readonly platform?: string
  readonly attachments: readonly {
    readonly form: SignatureForm
    readonly digest: Digest
    readonly tag?: string
  }[]
}

const maximumChildren = 200
/** So many can add to one tag at once: each time one of them gets through. */
const maximumAttempts = 30

const Index = Type.Object({
  manifests: Type.Array(
    Type.Object({
      digest: Type.String(),
      platform: Type.Optional(Type.Object({ os: Type.String(), architecture: Type.String() })),
    }),
  ),
})

/**
 * Signs an image under the name by which it was asked for, and pushes the signatures. What the same key has signed
 * under the same name is not signed again.
 */
export async function signImage(request: SignRequest): Promise<SignedSubject[]> {
  return forEachSubject(request, async (subject, name) => {
    const attachments: PushedForm[] = []
    if (request.forms.includes('bundle')) attachments.push(await signBundle(request, subject, name))
    if (request.forms.includes('legacy')) attachments.push(await signLegacy(request, subject, name))
    if (request.forms.includes('notation')) attachments.push(await pushNotation(request, subject))
    return attachments
  })
}

async function signBundle(
  { repository, signatory, now }: SignRequest,
  subject: Subject,
  name: string,
): Promise<PushedForm> {
  const statement = {
    subject: { name, digest: subject.digest },
    predicateType: signaturePredicateType,
    predicate: {},
  }
  const held = await findSameBundle(repository, signatory, statement, subject.digest)
  if (held) return { form: 'bundle', digest: held }
  const { bundle } = await signStatementBy(signatory, statement)
  return pushReferrer(repository, bundleReferrer(bundle, signaturePredicateType, subject, now), subject)
}

async function signLegacy(
  { repository, signatory, now }: SignRequest,
  { digest }: Subject,
  name: string,
): Promise<PushedForm> {
  const tag = signatureTag(digest)
  const payload = simpleSigningPayload(digest, name, now)
  const held = await findSameLegacy(repository, signatory, payload, digest)
  if (held) return { form: 'legacy', digest: held, tag }
  const { signature, annotations } = await signBytesBy(signatory, payload)
  return addToTag(repository, tag, (existing) =>
    legacySignature(existing, payload, signature, digest, annotations),
  )
}

async function pushNotation(
  { repository, signatory, now }: SignRequest,
  subject: Subject,
): Promise<PushedForm> {
  const { notation } = signatory
  if (!notation) {
    throw new SigningFailure(
      'KEY_INVALID',
      'a Notary Project signature needs --key with its chain of certificates (--certificate-chain)',
    )
  }
  const { signNotation } = await import('../formats/notation/index.ts')
  const certificateChain = [notation.certificateChain]
  const envelope = await signNotation({ subject, key: notation.key, certificateChain, now })
  const thumbprints = readPemBlocks(notation.certificateChain, 'CERTIFICATE').map((der) =>
    createHash('sha256').update(der).digest('hex'),
  )
  const built = notationReferrer(envelope, thumbprints, subject, now)
  return { ...(await pushReferrer(repository, built, subject)), form: 'notation' }
}

/** Attests something of an image: the predicate of an in-toto statement. */
export async function attestImage(
  request: SignRequest & { readonly predicateType: string; readonly predicate: unknown },
): Promise<SignedSubject[]> {
  const { now, predicateType, predicate, repository } = request
  if (!request.forms.some((form) => form !== 'notation')) {
    throw new SigningFailure('SIGNING_FAILED', 'the Notary Project has no attestations; write a bundle')
  }
  return forEachSubject(request, async (subject, name) => {
    const attachments: PushedForm[] = []
    const statement = { subject: { name, digest: subject.digest }, predicateType, predicate }
    const made = await signStatementBy(request.signatory, statement)
    if (request.forms.includes('bundle')) {
      const built = bundleReferrer(made.bundle, predicateType, subject, now)
      attachments.push(await pushReferrer(repository, built, subject))
    }
    if (request.forms.includes('legacy')) {
      attachments.push(
        await addToTag(repository, attestationTag(subject.digest), (existing) =>
          legacyAttestation(existing, made.envelope, predicateType, subject.digest, made.annotations),
        ),
      )
    }
    return attachments
  })
}

type PushedForm = SignedSubject['attachments'][number]

async function forEachSubject(
  { repository, reference, recursive, tag = isDigest(reference) ? undefined : reference }: SignRequest,
  attach: (subject: Subject, name: string) => Promise<PushedForm[]>,
): Promise<SignedSubject[]> {
  const root = await getManifest(repository, reference)
  const name = `${repository.host}/${repository.name}${tag === undefined ? '' : `:${tag}`}`
  const signed: SignedSubject[] = []
  for (const { manifest, platform } of await subjectsOf(repository, root, recursive)) {
    const { digest, mediaType, bytes } = manifest
    const attachments = await attach({ digest, mediaType, size: bytes.length }, name)
    signed.push({ subject: digest, ...(platform === undefined ? {} : { platform }), attachments })
  }
  return signed
}

/** The manifest itself, and of an index what it lists for a platform, indexes in indexes too. */
async function subjectsOf(
  repository: RemoteRepository,
  root: RemoteManifest,
  recursive: boolean,
): Promise<{ manifest: RemoteManifest; platform?: string }[]> {
  const found = new Map<Digest, { manifest: RemoteManifest; platform?: string }>([
    [root.digest, { manifest: root }],
  ])
  // A map grows while it is walked: what is added is walked too.
  for (const { manifest } of found.values()) {
    for (const { digest, platform } of recursive ? childrenOf(manifest) : []) {
      if (found.has(digest)) continue
      if (found.size > maximumChildren) {
        throw new SigningFailure('SIGNER_INVALID', `the index lists more than ${maximumChildren} manifests`)
      }
      found.set(digest, {
        manifest: await getManifest(repository, digest),
        ...(platform === undefined ? {} : { platform }),
      })
    }
  }
  return [...found.values()]
}

function childrenOf({ bytes, mediaType }: RemoteManifest): { digest: Digest; platform?: string }[] {
  if (mediaType !== mediaTypes.ociIndex && mediaType !== mediaTypes.dockerManifestList) return []
  const index: unknown = JSON.parse(bytes.toString())
  if (!Value.Check(Index, index)) throw new SigningFailure('SIGNER_INVALID', 'the index cannot be read')
  return index.manifests.flatMap(({ digest, platform }) => {
    // Build tools list their own attestations as images for a platform that there is not.
    if (!isDigest(digest) || platform?.os === 'unknown') return []
    return [{ digest, ...(platform ? { platform: `${platform.os}/${platform.architecture}` } : {}) }]
  })
}

async function getManifest(repository: RemoteRepository, reference: string): Promise<RemoteManifest> {
  const manifest = await repository.findManifest(reference)
  if (manifest) return manifest
  throw new RemoteFailure(
    'TARGET_INVALID',
    `${repository.host}/${repository.name} has no manifest ${reference}`,
  )
}

async function pushReferrer(
  repository: RemoteRepository,
  built: BuiltAttachment,
  subject: Subject,
): Promise<PushedForm> {
  for (const blob of built.blobs) await repository.pushBlob(blob)
  const { listsReferrers } = await repository.pushManifest(built.digest, built.manifest, built.mediaType)
  // distribution-spec, "Pushing Manifests with Subject": without the answer's header the client keeps the list.
  if (!listsReferrers) await listUnderTag(repository, built, subject)
  return { form: 'bundle', digest: built.digest }
}

async function listUnderTag(
  repository: RemoteRepository,
  { digest, mediaType, manifest }: BuiltAttachment,
  subject: Subject,
): Promise<void> {
  const { artifactType, annotations } = JSON.parse(manifest.toString()) as {
    artifactType: string
    annotations: Record<string, string>
  }
  const entry = { mediaType, digest, size: manifest.length, artifactType, annotations }
  await changeTag(repository, fallbackTagOf(subject.digest), mediaTypes.ociIndex, async (existing) => {
    const before = existing
      ? (JSON.parse(existing.toString()) as { manifests: { digest: string }[] })
      : undefined
    const others = (before?.manifests ?? []).filter((one) => one.digest !== digest)
    return Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: mediaTypes.ociIndex,
        manifests: [...others, entry],
      }),
    )
  })
}

async function addToTag(
  repository: RemoteRepository,
  tag: string,
  add: (existing: readonly Buffer[]) => BuiltAttachment,
): Promise<PushedForm> {
  let built: BuiltAttachment | undefined
  await changeTag(repository, tag, mediaTypes.ociManifest, async (existing) => {
    built = add(existing ? [existing] : [])
    for (const blob of built.blobs) await repository.pushBlob(blob)
    return built.manifest
  })
  if (!built) throw new Error('nothing was built')
  return { form: 'legacy', digest: built.digest, tag }
}

/** Reads what a tag holds, changes it, and writes it back unless somebody else did meanwhile; then once more. */
async function changeTag(
  repository: RemoteRepository,
  tag: string,
  mediaType: string,
  change: (existing: Buffer | undefined) => Promise<Buffer>,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const existing = await repository.findManifest(tag)
    const manifest = await change(existing?.bytes)
    try {
      await repository.pushManifest(tag, manifest, mediaType, existing?.digest ?? null)
      return
    } catch (error) {
      const isMoved = error instanceof RemoteFailure && error.status === 412
      if (!isMoved || attempt >= maximumAttempts) throw error
    }
  }
}
