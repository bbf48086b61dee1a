import { algorithmOf, digestOf, type Digest } from '../kernel/digest.ts'
import { formatReference, type Reference, type RepositoryName, type Tag } from '../kernel/reference.ts'
import type { Caller } from '../identity/index.ts'
import type { DatabaseTransaction } from '../database/index.ts'
import { ensureRepository } from './ensure-repository.ts'
import { RegistryFailure } from './failures.ts'
import { parseManifest, type ParsedManifest } from './parse-manifest.ts'
import type { RegistryParts } from './parts.ts'
import { requireAttachment } from './require-writing.ts'
import { insertManifest, linkManifest, missingReferences, resolveReference, setTag } from './store.ts'
import type { RepositoryRef } from './types.ts'

export interface PushedManifest {
  readonly digest: Digest
  readonly subject: Digest | undefined
  readonly tags: readonly Tag[]
}

/** A manifest as a client sends it. */
export interface ManifestToPush {
  readonly repository: RepositoryName
  readonly reference: Reference
  /** More tags for a push by digest (distribution-spec main, "Pushing Manifests"). */
  readonly tags: readonly Tag[]
  readonly contentType: string | undefined
  readonly content: Uint8Array
  readonly caller: Caller
  /** The caller may attach to what is here, and push nothing else. */
  readonly isAttachingOnly?: boolean
  /** What the tag has to point to now; null: it must not be there. */
  readonly expected?: Digest | null
}

/**
 * Stores a manifest, unchanged byte for byte, with its tags, and tells the other subjects in the same
 * transaction. Throws MANIFEST_INVALID, DIGEST_INVALID, MANIFEST_BLOB_UNKNOWN or SIZE_INVALID.
 */
export async function pushManifest(parts: RegistryParts, push: ManifestToPush): Promise<PushedManifest> {
  const { reference, content, caller } = push
  const parsed = parseManifest(content, push.contentType)
  if (push.isAttachingOnly === true) requireAttachment(parsed, reference, push.repository)
  const digest = digestOf(content, reference.kind === 'digest' ? algorithmOf(reference.digest) : 'sha256')
  if (reference.kind === 'digest' && reference.digest !== digest) {
    throw new RegistryFailure('DIGEST_INVALID', `the manifest has digest ${digest}, not ${reference.digest}`)
  }
  const tags = reference.kind === 'tag' ? [reference.tag] : [...new Set(push.tags)]
  await parts.database.transaction().execute(async (transaction) => {
    const now = parts.clock.now()
    const repository = await ensureRepository(parts, transaction, push.repository, caller)
    await checkExpected(transaction, repository, push)
    await checkReferences(parts, transaction, repository.id, parsed)
    for (const tag of tags) await parts.events.assertTagMutable(transaction, repository, tag, digest)
    await insertManifest(transaction, digest, parsed, content, now)
    await linkManifest(transaction, repository.id, digest, caller.principal.subject, now)
    for (const tag of tags) await setTag(transaction, repository.id, tag, digest, now)
    const { kind, subject } = parsed
    await parts.events.manifestPushed(transaction, { repository, digest, kind, subject, tags, caller })
  })
  parts.events.committed()
  return { digest, subject: parsed.subject, tags }
}

/** Two clients that add a signature to one tag at the same time do not undo each other. */
async function checkExpected(
  transaction: DatabaseTransaction,
  repository: RepositoryRef,
  { reference, expected }: ManifestToPush,
): Promise<void> {
  if (expected === undefined) return
  const found = (await resolveReference(transaction, repository.id, reference)) ?? null
  if (found === expected) return
  throw new RegistryFailure(
    'TAG_CHANGED',
    `${repository.name}:${formatReference(reference)} ${found === null ? 'is not there' : `is ${found}`} now; read it again and repeat the change`,
  )
}

/** Everything that the manifest needs has to be in the same repository, with the size that it says. */
async function checkReferences(
  parts: RegistryParts,
  transaction: DatabaseTransaction,
  repositoryId: string,
  parsed: ParsedManifest,
): Promise<void> {
  const { missing, sizes } = await missingReferences(transaction, repositoryId, parsed.references)
  const needed = missing.filter((reference) => reference.required)
  if (needed.length > 0) {
    const shown = needed.slice(0, 3).map((reference) => `${reference.kind} ${reference.digest}`)
    throw new RegistryFailure(
      'MANIFEST_BLOB_UNKNOWN',
      `the repository does not have ${shown.join(', ')}${needed.length > 3 ? ` and ${needed.length - 3} more` : ''}; ` +
        'push what a manifest refers to before the manifest',
      { detail: needed.slice(0, 100).map((reference) => ({ digest: reference.digest })) },
    )
  }
  const wrong = parsed.references.find(
    (reference) => sizes.has(reference.digest) && sizes.get(reference.digest) !== reference.size,
  )
  if (wrong) {
    throw new RegistryFailure(
      'SIZE_INVALID',
      `${wrong.kind} ${wrong.digest} has ${sizes.get(wrong.digest)} bytes, not ${wrong.size}`,
    )
  }
}
