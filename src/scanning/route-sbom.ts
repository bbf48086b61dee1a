import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { Database } from '../database/index.ts'
import type { Identity } from '../identity/index.ts'
import type { Digest } from '../kernel/digest.ts'
import { mediaTypes } from '../kernel/media-types.ts'
import { parseImageName } from '../kernel/reference.ts'
import { findManifestAnywhere, listReferrers, type RegistryParts } from '../registry/index.ts'
import { attach } from './attach-sbom.ts'
import { ScanningFailure } from './failures.ts'
import type { ResolveImage } from './routes.ts'
import { compareSboms } from './sbom/compare-sboms.ts'
import { sbomFormats } from './sbom/formats.ts'
import { maximumSbomBytes, readSbom } from './sbom/read-sbom.ts'
import { findScan } from './store.ts'
import type { Inventory } from './types.ts'
import { ImageQuery, SbomComparison, SbomQuery } from './wire.ts'

export interface SbomRouteParts {
  readonly database: Database
  readonly identity: Identity
  readonly registry: RegistryParts
  readonly resolveImage: ResolveImage
}

/** SBOMs of images in every form, and those that others made. */
export function sbomRoutes(app: FastifyInstance, parts: SbomRouteParts): void {
  const { database, identity } = parts
  const about = (operationId: string, summary: string): object => ({
    operationId,
    summary,
    tags: ['scanning'],
  })

  app.get<{ Querystring: Static<typeof SbomQuery> }>(
    '/api/v1/sbom',
    {
      schema: {
        ...about('getSbom', `The SBOM of an image, as ${sbomFormats.map(({ name }) => name).join(', ')}`),
        querystring: SbomQuery,
      },
    },
    async ({ caller, query }, reply) => {
      await identity.requireAccess(caller, 'pull', parseImageName(query.image).repository)
      const { repository, digest, inventory } = await findScanned(parts, query.image)
      const format = sbomFormats.find(({ name }) => name === (query.format ?? 'cyclonedx'))
      if (!format) throw new ScanningFailure('SBOM_INVALID', `${query.format} is no SBOM format`)
      const artifactType = mediaTypes.cycloneDx
      const [attached] = await listReferrers(database, repository.id, digest, { artifactType, limit: 1 })
      if (attached && format.name === 'cyclonedx') reply.header('docker-content-digest', attached.digest)
      return reply.type(format.mediaType).send(await format.write({ name: digest, digest }, inventory))
    },
  )

  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: maximumSbomBytes }, (_, body, done) =>
      done(null, body),
    )
    scope.post<{ Querystring: Static<typeof ImageQuery>; Body: Buffer }>(
      '/api/v1/sbom',
      {
        bodyLimit: maximumSbomBytes,
        schema: {
          ...about(
            'importSbom',
            'Attach an SBOM that somebody made, and compare it with what was found here',
          ),
          querystring: ImageQuery,
          response: { 201: SbomComparison },
        },
      },
      async ({ caller, query, body }, reply) => {
        await identity.requireAccess(caller, 'push', parseImageName(query.image).repository)
        const read = readSbom(body)
        const { repository, digest, inventory } = await findScanned(parts, query.image)
        const manifest = await findManifestAnywhere(database, digest)
        if (!manifest) throw new ScanningFailure('SCAN_UNKNOWN', `${query.image} is not here any more`)
        const { mediaType, content } = manifest
        const attached = await attach(
          parts.registry,
          repository,
          { mediaType, digest, size: content.length },
          {
            artifactType: read.format === 'spdx' ? 'application/spdx+json' : mediaTypes.cycloneDx,
            content: body,
            annotations: { 'io.pratique.sbom.imported': 'true' },
          },
          caller,
        )
        const { added, removed, changed } = compareSboms(inventory, read)
        return reply.code(201).send({
          attached,
          notes: [...read.notes],
          added: [...added],
          removed: [...removed],
          changed: [...changed],
        })
      },
    )
  })
}

async function findScanned(
  { database, resolveImage }: SbomRouteParts,
  name: string,
): Promise<Pick<Awaited<ReturnType<ResolveImage>>, 'repository'> & { digest: Digest; inventory: Inventory }> {
  const { repository, images } = await resolveImage(name)
  const [image] = images
  const inventory = image && (await findScan(database, image.digest))?.inventory
  if (!image || !inventory) throw new ScanningFailure('SCAN_UNKNOWN', `${name} has not been scanned yet`)
  return { repository, digest: image.digest, inventory }
}
