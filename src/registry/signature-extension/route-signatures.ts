import { Failure } from '../../kernel/failure.ts'
import { RegistryFailure } from '../failures.ts'
import type { RegistryParts } from '../parts.ts'
import { readWholeBody } from '../read-body.ts'
import { requireWriting } from '../require-writing.ts'
import type { Handlers } from '../routes.ts'
import { findManifest, findRepository } from '../store.ts'
import type { BlobRow } from '../store.ts'
import { listSignatures, readSignature } from './list-signatures.ts'
import { maximumBodyBytes, parseSignature, tooLarge } from './parse-signature.ts'
import { storeSignature } from './store-signature.ts'

/**
 * The signature extension of containers/image ("X-Registry-Supports-Signatures"), which came from OpenShift: where
 * skopeo, podman and buildah put OpenPGP signatures, and where they look for them. Who may list referrers reads them,
 * who may attach to an image adds to them.
 */
export function signatureHandlers(parts: RegistryParts): Pick<Handlers, 'signatures'> {
  const { database } = parts

  const get: Handlers['signatures']['GET'] = async ({ path, request, reply }) => {
    await parts.requireAccess(request.caller, 'pull', path.repository)
    const repository = await findRepository(database, path.repository)
    const found = repository ? await listSignatures(database, repository.id, path.digest) : []
    const signatures = []
    for (const blob of found) {
      if (!repository || !(await mayRead(request.caller, repository, blob))) continue
      signatures.push({
        schemaVersion: 2,
        // The same content has the same name, whatever its sender called it.
        name: `${path.digest}@${blob.digest.slice(7, 39)}`,
        type: 'atomic',
        content: (await readSignature(parts, blob)).toString('base64'),
      })
    }
    return reply.type('application/json').send(Buffer.from(JSON.stringify({ signatures })))
  }

  /** The bytes are those of a blob, and behind the same gate: a signature may be quarantined like anything else. */
  const mayRead = async (
    caller: Parameters<RegistryParts['pullGate']>[0]['caller'],
    repository: Parameters<RegistryParts['pullGate']>[0]['repository'],
    { digest }: BlobRow,
  ): Promise<boolean> => {
    try {
      await parts.pullGate({ caller, repository, target: { kind: 'blob', digest } })
      return true
    } catch (error) {
      if (error instanceof Failure && error.code === 'DENIED') return false
      throw error
    }
  }

  const put: Handlers['signatures']['PUT'] = async ({ path, request, reply }) => {
    const { caller } = request
    await requireWriting(parts, caller, path.repository)
    const body = await readWholeBody(request.raw, parts.limits.bodyIdleMs, maximumBodyBytes, tooLarge)
    const content = parseSignature(body, path.digest)
    const repository = await findRepository(database, path.repository)
    const image = repository && (await findManifest(database, repository.id, path.digest))
    if (!repository || !image) {
      throw new RegistryFailure(
        'MANIFEST_UNKNOWN',
        `${path.repository} has no manifest ${path.digest}; push the image before its signature`,
      )
    }
    const digest = await storeSignature(parts, { repository, image, content, caller })
    return reply
      .code(201)
      .header('location', `/extensions/v2/${path.repository}/signatures/${path.digest}`)
      .header('docker-content-digest', digest)
      .header('oci-subject', path.digest)
      .send()
  }

  return { signatures: { GET: get, PUT: put } }
}
