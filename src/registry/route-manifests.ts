import type { IncomingHttpHeaders } from 'node:http'
import { parseDigest, type Digest } from '../kernel/digest.ts'
import { Failure } from '../kernel/failure.ts'
import {
  formatReference,
  parseReference,
  parseTag,
  type Reference,
  type RepositoryName,
  type Tag,
} from '../kernel/reference.ts'
import { deleteManifest } from './delete-content.ts'
import { RegistryFailure } from './failures.ts'
import type { RegistryParts } from './parts.ts'
import type { PullLog } from './pull-log.ts'
import { pushManifest } from './push-manifest.ts'
import { readWholeBody } from './read-body.ts'
import { requireWriting } from './require-writing.ts'
import type { Handlers } from './routes.ts'
import { findManifest, findRepository, resolveReference } from './store.ts'

/** Most tags that one push by digest may set. */
const maximumTags = 50

/** Pulling, pushing and deleting manifests. */
export function manifestHandlers(parts: RegistryParts, pulls: PullLog): Pick<Handlers, 'manifest'> {
  const { database, limits } = parts

  const get: Handlers['manifest']['GET'] = async ({ path, request, reply }) => {
    await parts.requireAccess(request.caller, 'pull', path.repository)
    const reference = readReference(path.repository, path.reference)
    const repository = await findRepository(database, path.repository)
    const digest = repository && (await resolveReference(database, repository.id, reference))
    if (!repository || !digest) throw unknownManifest(path.repository, path.reference)
    await parts.pullGate({
      caller: request.caller,
      repository,
      target: { kind: 'manifest', digest, ...tagOf(reference) },
    })
    // By digest from here on: a tag that moves meanwhile changes nothing.
    const manifest = await findManifest(database, repository.id, digest)
    if (!manifest) throw unknownManifest(path.repository, path.reference)
    reply
      .type(manifest.mediaType)
      .header('docker-content-digest', digest)
      .header('etag', `"${digest}"`)
      .header('content-length', manifest.content.length)
    if (request.headers['if-none-match'] === `"${digest}"`) {
      return reply.code(304).removeHeader('content-length').send()
    }
    if (request.method === 'HEAD') return reply.send()
    pulls.note(repository.id, digest, parts.clock.now())
    return reply.send(manifest.content)
  }

  const put: Handlers['manifest']['PUT'] = async ({ path, query, request, reply }) => {
    await requireWriting(parts, request.caller, path.repository)
    const mayPush = await parts.mayAccess(request.caller, 'push', path.repository)
    const reference = parseReference(path.reference)
    const tags = query.getAll('tag').map(parseTag)
    if (tags.length > maximumTags) {
      throw new RegistryFailure('MANIFEST_INVALID', `${tags.length} tags; at most ${maximumTags} in one push`)
    }
    if (tags.length > 0 && reference.kind === 'tag') {
      throw new RegistryFailure('MANIFEST_INVALID', 'the tag parameter goes with a push by digest')
    }
    const tooLarge = (): Error =>
      new RegistryFailure('MANIFEST_TOO_LARGE', `a manifest has at most ${limits.manifestBytes} bytes`)
    const content = await readWholeBody(request.raw, limits.bodyIdleMs, limits.manifestBytes, tooLarge)
    const pushed = await pushManifest(parts, {
      repository: path.repository,
      reference,
      tags,
      contentType: request.headers['content-type'],
      content,
      caller: request.caller,
      isAttachingOnly: !mayPush,
      ...readPrecondition(request.headers),
    })
    reply
      .code(201)
      .header('location', `/v2/${path.repository}/manifests/${pushed.digest}`)
      .header('docker-content-digest', pushed.digest)
    if (pushed.subject) reply.header('oci-subject', pushed.subject)
    if (reference.kind === 'digest' && pushed.tags.length > 0) reply.header('oci-tag', [...pushed.tags])
    return reply.send()
  }

  const remove: Handlers['manifest']['DELETE'] = async ({ path, request, reply }) => {
    await parts.requireAccess(request.caller, 'delete', path.repository)
    const reference = readReference(path.repository, path.reference)
    await deleteManifest(parts, path.repository, reference, request.caller)
    return reply.code(202).send()
  }

  return { manifest: { GET: get, HEAD: get, PUT: put, DELETE: remove } }
}

/** `if-match: "<digest>"`, or `if-none-match: *` for a tag that must be new (RFC 9110, section 13.1). */
function readPrecondition(headers: IncomingHttpHeaders): { expected?: Digest | null } {
  const match = headers['if-match']
  if (match !== undefined) return { expected: parseDigest(match.replaceAll('"', '')) }
  return headers['if-none-match'] === '*' ? { expected: null } : {}
}

/** What cannot be a tag names no manifest: asking for it finds nothing. A malformed digest is an error. */
function readReference(repository: RepositoryName, text: string): Reference {
  try {
    return parseReference(text)
  } catch (error) {
    if (error instanceof Failure && error.code === 'TAG_INVALID') throw unknownManifest(repository, text)
    throw error
  }
}

function tagOf(reference: Reference): { tag?: Tag } {
  return reference.kind === 'tag' ? { tag: reference.tag } : {}
}

function unknownManifest(repository: RepositoryName, reference: string | Reference): RegistryFailure {
  const shown = typeof reference === 'string' ? reference.slice(0, 160) : formatReference(reference)
  return new RegistryFailure('MANIFEST_UNKNOWN', `${repository} has no manifest ${shown}`)
}
