import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import { deleteBlob } from './delete-content.ts'
import { RegistryFailure } from './failures.ts'
import { parseRange } from './parse-headers.ts'
import type { RegistryParts } from './parts.ts'
import type { Handlers } from './routes.ts'
import { findLinkedBlob, findRepository, linkBlob } from './store.ts'
import type { ByteRange, Location } from './types.ts'

/** Pulling and deleting blobs. */
export function blobHandlers(parts: RegistryParts): Pick<Handlers, 'blob'> {
  const { database, blobs } = parts

  const get: Handlers['blob']['GET'] = async ({ path, request, reply }) => {
    const { caller } = request
    await parts.requireAccess(caller, 'pull', path.repository)
    const repository = await findRepository(database, path.repository)
    const blob = repository && (await findLinkedBlob(database, repository.id, path.digest))
    if (!repository || !blob) {
      throw new RegistryFailure('BLOB_UNKNOWN', `${path.repository} has no blob ${path.digest}`)
    }
    await parts.pullGate({ caller, repository, target: { kind: 'blob', digest: path.digest } })
    reply
      .type('application/octet-stream')
      .header('docker-content-digest', path.digest)
      .header('etag', `"${path.digest}"`)
      .header('accept-ranges', 'bytes')
    if (request.headers['if-none-match'] === `"${path.digest}"`) return reply.code(304).send()
    if (request.method === 'HEAD') {
      await renewLease(request, repository.id, path)
      return reply.header('content-length', blob.size).send()
    }
    const range = parseRange(request.headers.range, blob.size)
    if (range) reply.code(206).header('content-range', `bytes ${range.first}-${range.last}/${blob.size}`)
    const length = range ? range.last - range.first + 1 : blob.size
    reply.header('content-length', length)
    if (length === 0) return reply.send(Buffer.alloc(0))
    if ((await blobs.sizeOf(blob.location)) === undefined) {
      throw new Error(
        `blob ${path.digest} has a row, but no bytes at ${blob.location}; pushing it again repairs it`,
      )
    }
    return sendBytes(reply, blob.location, range)
  }

  /** Past Fastify's streams: the same few buffers are read into and written from, which is twice as fast. */
  const sendBytes = async (
    reply: FastifyReply,
    location: Location,
    range: ByteRange | undefined,
  ): Promise<FastifyReply> => {
    reply.hijack()
    reply.raw.writeHead(reply.statusCode, reply.getHeaders() as OutgoingHttpHeaders)
    try {
      await blobs.copyTo(location, reply.raw, range)
      reply.raw.end()
    } catch (error) {
      // The status line is sent already: a connection that breaks off is what tells the client.
      reply.log.warn({ err: error }, 'a pull broke off')
      reply.raw.destroy()
    }
    return reply
  }

  /** A pusher that learns that a blob is here will not send it: it has to stay until the manifest comes. */
  const renewLease = async (
    request: Parameters<typeof get>[0]['request'],
    repositoryId: string,
    path: Parameters<typeof get>[0]['path'],
  ): Promise<void> => {
    if (!(await parts.mayAccess(request.caller, 'sign', path.repository))) return
    const until = parts.clock.now() + parts.limits.blobLeaseMs
    await database.transaction().execute(async (transaction) => {
      if (await findLinkedBlob(transaction, repositoryId, path.digest)) {
        await linkBlob(transaction, repositoryId, path.digest, until)
      }
    })
  }

  const remove: Handlers['blob']['DELETE'] = async ({ path, request, reply }) => {
    await parts.requireAccess(request.caller, 'delete', path.repository)
    await deleteBlob(parts, path.repository, path.digest, request.caller)
    return reply.code(202).send()
  }

  return { blob: { GET: get, HEAD: get, DELETE: remove } }
}
