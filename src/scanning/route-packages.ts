import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { Database } from '../database/index.ts'
import type { Identity } from '../identity/index.ts'
import type { RepositoryName } from '../kernel/reference.ts'
import { tagsOf } from '../registry/index.ts'
import { searchPackages, type SearchedRepository } from './packages/search-packages.ts'
import { PackageList, PackageSearch } from './wire.ts'

const defaultLimit = 200
const shownTags = 20

/** Which images hold a package. */
export function packageRoutes(
  app: FastifyInstance,
  { database, identity }: { readonly database: Database; readonly identity: Identity },
): void {
  app.get<{ Querystring: Static<typeof PackageSearch> }>(
    '/api/v1/packages',
    {
      schema: {
        operationId: 'searchPackages',
        summary: 'Which images hold a package',
        tags: ['scanning'],
        querystring: PackageSearch,
        response: { 200: PackageList },
      },
    },
    async ({ caller, query: { n = defaultLimit, ...query } }) => {
      await identity.requireSignIn(caller)
      const all = await database.selectFrom('repository').select(['id', 'name']).orderBy('name').execute()
      const open: SearchedRepository[] = []
      for (const repository of all) {
        if (await identity.mayAccess(caller, 'pull', repository.name as RepositoryName)) open.push(repository)
      }
      const { places, more } = await searchPackages(database, query, open, n)
      const items: PackageList['items'] = []
      for (const { repositoryId, ...place } of places) {
        items.push({ ...place, tags: await tagsOf(database, repositoryId, place.digest, shownTags) })
      }
      return { items, more }
    },
  )
}
