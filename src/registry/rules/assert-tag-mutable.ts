import type { DatabaseTransaction } from '../../database/index.ts'
import { matchesGlob } from '../../kernel/glob.ts'
import type { Tag } from '../../kernel/reference.ts'
import { RegistryFailure } from '../failures.ts'
import { resolveReference } from '../store.ts'
import type { RepositoryRef } from '../types.ts'
import type { ImmutableSettings } from '../wire.ts'

/** Tags that are made of a digest belong to an image and not to people: signatures are added to what is fixed. */
const attachmentTag = /^sha(256|512)-[0-9a-f]{64}/

/**
 * Throws TAG_IMMUTABLE when a rule fixes the tag and it would move to another digest or, with no digest, go.
 * A tag that is not there yet can always be set.
 */
export async function assertTagMutable(
  transaction: DatabaseTransaction,
  repository: RepositoryRef,
  tag: Tag,
  digest: string | undefined,
): Promise<void> {
  if (attachmentTag.test(tag)) return
  const current = await resolveReference(transaction, repository.id, { kind: 'tag', tag })
  if (current === undefined || current === digest) return
  const rules = await transaction
    .selectFrom('repository_rule')
    .selectAll()
    .where('kind', '=', 'immutable-tags')
    .execute()
  const rule = rules.find(
    (candidate) =>
      matchesGlob(candidate.repository_glob, repository.name) &&
      matchesGlob((JSON.parse(candidate.settings) as ImmutableSettings).tags ?? '*', tag),
  )
  if (!rule) return
  throw new RegistryFailure(
    'TAG_IMMUTABLE',
    `tag ${tag} of ${repository.name} is fixed at ${current} by a rule on ${rule.repository_glob}; push under a new tag`,
  )
}
