import type { Database } from '../database/index.ts'

/** Promotions that are followed back; a chain of stages has a handful. */
const maximumPromotions = 1_000

/**
 * The repositories under whose names signers may have signed what a repository holds: its own name, the one by which
 * it is asked about, and those from which one of the digests was promoted to it, over any number of stages. Only this
 * server's own record of promotions counts.
 */
export async function findOrigins(
  database: Database,
  repository: { readonly id: string; readonly name: string },
  digests: readonly string[],
): Promise<string[]> {
  const own = await database
    .selectFrom('repository')
    .select('name')
    .where('id', '=', repository.id)
    .executeTakeFirst()
  const promotions = await database
    .selectFrom('promotion')
    .select(['source', 'target'])
    .where('digest', 'in', [...digests])
    .where('outcome', '=', 'promoted')
    .orderBy('requested_at', 'desc')
    .limit(maximumPromotions)
    .execute()
  const origins = new Set([repository.name, ...(own ? [own.name] : [])])
  // A set grows while it is walked: what is added is walked too.
  for (const known of origins) {
    for (const { source, target } of promotions) {
      if (repositoryOf(target) === known) origins.add(repositoryOf(source))
    }
  }
  return [...origins]
}

function repositoryOf(image: string): string {
  return image.replace(/@.*$/, '').replace(/:[^/]*$/, '')
}
