import type { FastifyReply } from 'fastify'
import { mediaTypes } from '../kernel/media-types.ts'
import { RegistryFailure } from './failures.ts'
import { listReferrers } from './list-referrers.ts'
import { parsePageSize } from './parse-headers.ts'
import type { RegistryParts } from './parts.ts'
import type { Handlers } from './routes.ts'
import type { RepositoryRef } from './types.ts'
import { findRepository, listAllTags, listRepositories, listTags } from './store.ts'

/** Repositories that are looked at for one page of the catalog, whoever may see them. */
const catalogBatch = 500

/** The version check, the catalog, tag lists and referrers. */
export function listHandlers(
  parts: RegistryParts,
): Pick<Handlers, 'base' | 'catalog' | 'tags' | 'referrers'> {
  const { database, limits } = parts

  const base: Handlers['base']['GET'] = async ({ request, reply }) => {
    // Before the sign-in: containers/image looks for it on the answer that challenges it.
    reply.header('x-registry-supports-signatures', '1')
    await parts.requireSignIn(request.caller)
    return reply.type('application/json').send('{}')
  }

  const catalog: Handlers['catalog']['GET'] = async ({ query, request, reply }) => {
    await parts.requireSignIn(request.caller)
    const size = Math.min(parsePageSize(query.get('n')) ?? limits.pageSize, limits.pageSize)
    const names: string[] = []
    let last = query.get('last') ?? ''
    let isMore = true
    while (isMore && names.length <= size) {
      const batch = await listRepositories(database, last, catalogBatch)
      for (const repository of batch) {
        last = repository.name
        if (await parts.mayAccess(request.caller, 'pull', repository.name)) names.push(repository.name)
        if (names.length > size) break
      }
      isMore = batch.length === catalogBatch
    }
    const page = names.slice(0, size)
    if (names.length > size && size > 0) reply.header('link', nextLink('/v2/_catalog', size, page))
    return reply.type('application/json').send(JSON.stringify({ repositories: page }))
  }

  const tags: Handlers['tags']['GET'] = async ({ path, query, request, reply }) => {
    await parts.requireAccess(request.caller, 'pull', path.repository)
    const repository = await findRepository(database, path.repository)
    if (!repository) throw new RegistryFailure('NAME_UNKNOWN', `there is no repository ${path.repository}`)
    const size = parsePageSize(query.get('n'))
    const last = query.get('last') ?? ''
    return reply.type('application/json').send(
      size === undefined
        ? // Without `n` clients expect every tag.
          `{"name":"${path.repository}","tags":${await listAllTags(database, repository.id, last)}}`
        : JSON.stringify({
            name: path.repository,
            tags: await pageOfTags(reply, repository, last, Math.min(size, limits.pageSize)),
          }),
    )
  }

  const pageOfTags = async (
    reply: FastifyReply,
    repository: RepositoryRef,
    last: string,
    size: number,
  ): Promise<string[]> => {
    const names = await listTags(database, repository.id, last, size + 1)
    const page = names.slice(0, size)
    if (size > 0 && names.length > size) {
      reply.header('link', nextLink(`/v2/${repository.name}/tags/list`, size, page))
    }
    return page
  }

  const referrers: Handlers['referrers']['GET'] = async ({ path, query, request, reply }) => {
    await parts.requireAccess(request.caller, 'pull', path.repository)
    const repository = await findRepository(database, path.repository)
    const artifactType = query.get('artifactType') ?? undefined
    const size = Math.min(parsePageSize(query.get('n')) || limits.pageSize, limits.pageSize)
    const found = repository
      ? await listReferrers(database, repository.id, path.digest, {
          ...(artifactType === undefined ? {} : { artifactType }),
          after: query.get('last') ?? '',
          limit: size + 1,
        })
      : []
    const manifests = found.slice(0, size)
    if (artifactType !== undefined) reply.header('oci-filters-applied', 'artifactType')
    if (found.length > size) {
      const filter = artifactType === undefined ? '' : `&artifactType=${encodeURIComponent(artifactType)}`
      const last = manifests.at(-1)?.digest ?? ''
      const target = `/v2/${path.repository}/referrers/${path.digest}?n=${size}&last=${last}${filter}`
      reply.header('link', `<${target}>; rel="next"`)
    }
    return (
      reply
        .type(mediaTypes.ociIndex)
        // As bytes: to text Fastify would add a charset, which clients that compare types do not expect.
        .send(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests })))
    )
  }

  return {
    base: { GET: base, HEAD: base },
    catalog: { GET: catalog },
    tags: { GET: tags },
    referrers: { GET: referrers },
  }
}

function nextLink(path: string, size: number, page: readonly string[]): string {
  return `<${path}?n=${size}&last=${encodeURIComponent(page.at(-1) ?? '')}>; rel="next"`
}
