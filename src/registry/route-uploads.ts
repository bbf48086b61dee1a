import type { FastifyReply, FastifyRequest } from 'fastify'
import { parseDigest, type DigestAlgorithm, type Digest } from '../kernel/digest.ts'
import { parseRepositoryName, type RepositoryName } from '../kernel/reference.ts'
import { RegistryFailure } from './failures.ts'
import { mountBlob } from './mount-blob.ts'
import { parseContentRange } from './parse-headers.ts'
import type { RegistryParts } from './parts.ts'
import { readBody } from './read-body.ts'
import { requireWriting } from './require-writing.ts'
import type { Handlers } from './routes.ts'
import type { Upload, Uploads } from './uploads.ts'

/** Pushing blobs: at once, in chunks, by mounting. */
export function uploadHandlers(parts: RegistryParts, uploads: Uploads): Pick<Handlers, 'uploads' | 'upload'> {
  const { bodyIdleMs } = parts.limits

  const post: Handlers['uploads']['POST'] = async ({ path, query, request, reply }) => {
    const { caller } = request
    const { repository } = path
    await requireWriting(parts, caller, repository)
    const mount = query.get('mount')
    if (mount !== null) {
      const digest = parseDigest(mount)
      const from = query.get('from')
      const source = from === null ? undefined : parseRepositoryName(from)
      const mounted = await mountBlob(parts, { into: repository, from: source, digest, caller })
      if (mounted) return created(reply, repository, digest)
    }
    const digest = query.get('digest')
    const algorithm = readAlgorithm(query.get('digest-algorithm'), digest)
    const upload = await uploads.begin(repository, caller, algorithm)
    if (digest === null || mount !== null) return accepted(reply, repository, upload.id, 0)
    // "Single POST": an upload that this request also ends.
    try {
      await receiveLast(request, repository, upload, parseDigest(digest))
    } catch (error) {
      await uploads.cancel(upload)
      throw error
    }
    return created(reply, repository, parseDigest(digest))
  }

  const status: Handlers['upload']['GET'] = async ({ path, request, reply }) => {
    await requireWriting(parts, request.caller, path.repository)
    const upload = await uploads.get(path.repository, path.id, request.caller)
    return accepted(reply, path.repository, upload.id, upload.offset, 204)
  }

  const patch: Handlers['upload']['PATCH'] = async ({ path, request, reply }) => {
    await requireWriting(parts, request.caller, path.repository)
    const upload = await uploads.get(path.repository, path.id, request.caller)
    checkOrder(request, path.repository, upload)
    const offset = await uploads.append(upload, readBody(request.raw, bodyIdleMs))
    return accepted(reply, path.repository, upload.id, offset)
  }

  const put: Handlers['upload']['PUT'] = async ({ path, query, request, reply }) => {
    await requireWriting(parts, request.caller, path.repository)
    const digestText = query.get('digest')
    if (digestText === null) {
      throw new RegistryFailure(
        'DIGEST_INVALID',
        'the digest parameter is missing; an upload ends with ?digest=…',
      )
    }
    const digest = parseDigest(digestText)
    const upload = await uploads.get(path.repository, path.id, request.caller)
    await receiveLast(request, path.repository, upload, digest)
    return created(reply, path.repository, digest)
  }

  const cancel: Handlers['upload']['DELETE'] = async ({ path, request, reply }) => {
    await requireWriting(parts, request.caller, path.repository)
    await uploads.cancel(await uploads.get(path.repository, path.id, request.caller))
    return reply.code(204).send()
  }

  const receiveLast = async (
    request: FastifyRequest,
    repository: RepositoryName,
    upload: Upload,
    digest: Digest,
  ): Promise<void> => {
    checkOrder(request, repository, upload)
    await uploads.append(upload, readBody(request.raw, bodyIdleMs))
    await uploads.finish(upload, digest)
  }

  return { uploads: { POST: post }, upload: { GET: status, PATCH: patch, PUT: put, DELETE: cancel } }
}

/**
 * distribution-spec, "Pushing a blob in chunks": a chunk out of order gets 416, and the upload stays open so
 * that the client can ask where it is and go on.
 */
function checkOrder(request: FastifyRequest, repository: RepositoryName, upload: Upload): void {
  const range = parseContentRange(request.headers['content-range'])
  if (!range) return
  if (range.first !== upload.offset) {
    throw new RegistryFailure(
      'RANGE_INVALID',
      `the chunk begins at byte ${range.first}; this upload goes on at byte ${upload.offset}`,
      { headers: { ...uploadHeaders(repository, upload.id, upload.offset) } },
    )
  }
  const length = request.headers['content-length']
  if (length !== undefined && Number(length) !== range.last - range.first + 1) {
    throw new RegistryFailure('SIZE_INVALID', `Content-Length ${length} does not agree with Content-Range`)
  }
}

function readAlgorithm(text: string | null, digest: string | null): DigestAlgorithm {
  if (digest !== null) return digest.startsWith('sha512:') ? 'sha512' : 'sha256'
  if (text === null || text === 'sha256' || text === 'sha512') return text ?? 'sha256'
  throw new RegistryFailure(
    'DIGEST_INVALID',
    `digest-algorithm ${JSON.stringify(text)} is not supported; use sha256 or sha512`,
  )
}

function uploadHeaders(repository: RepositoryName, id: string, offset: number): Record<string, string> {
  return {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    'docker-upload-uuid': id,
    range: `0-${Math.max(0, offset - 1)}`,
  }
}

function accepted(
  reply: FastifyReply,
  repository: RepositoryName,
  id: string,
  offset: number,
  status = 202,
): FastifyReply {
  return reply
    .code(status)
    .headers(uploadHeaders(repository, id, offset))
    .send()
}

function created(reply: FastifyReply, repository: RepositoryName, digest: Digest): FastifyReply {
  return reply
    .code(201)
    .header('location', `/v2/${repository}/blobs/${digest}`)
    .header('docker-content-digest', digest)
    .send()
}
