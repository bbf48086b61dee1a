import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { Digest } from '../kernel/digest.ts'
import { parseImageName } from '../kernel/reference.ts'
import type { RepositoryRef } from '../registry/index.ts'
import { sbomRoutes, type SbomRouteParts } from './route-sbom.ts'
import { vulndbRoutes, type VulndbRouteParts } from './route-vulndb.ts'
import { findScan, requestScan } from './store.ts'
import type { FindingReport } from './types.ts'
import { ImageQuery, ScanList } from './wire.ts'

/** A platform image of what a name stands for. */
export interface PlatformImage {
  readonly digest: Digest
  readonly platform?: string
}

/** Finds an image by its name, with its platforms. Throws when there is none. */
export type ResolveImage = (
  name: string,
) => Promise<{ readonly repository: RepositoryRef; readonly images: readonly PlatformImage[] }>

export interface ScanningRouteParts extends VulndbRouteParts, SbomRouteParts {
  /** The findings of an image in a repository with what others know of them: its base, exceptions. */
  readonly findFindings: (repository: RepositoryRef, digest: string) => Promise<FindingReport | undefined>
}

/** Findings and SBOMs of images, and the vulnerability database. */
export function scanningRoutes(app: FastifyInstance, parts: ScanningRouteParts): void {
  const { database, identity } = parts
  const about = (operationId: string, summary: string): object => ({
    operationId,
    summary,
    tags: ['scanning'],
  })

  app.get<{ Querystring: Static<typeof ImageQuery> }>(
    '/api/v1/scan',
    {
      schema: {
        ...about('getScan', 'What an image holds and which findings that has'),
        querystring: ImageQuery,
        response: { 200: ScanList },
      },
    },
    async ({ caller, query }) => {
      await identity.requireAccess(caller, 'pull', parseImageName(query.image).repository)
      const { repository, images } = await parts.resolveImage(query.image)
      return {
        image: query.image,
        items: await Promise.all(images.map((image) => describeScan(parts, repository, image))),
      }
    },
  )

  app.post<{ Querystring: Static<typeof ImageQuery> }>(
    '/api/v1/scan',
    {
      schema: {
        ...about('requestScan', 'Scan an image again'),
        querystring: ImageQuery,
        response: { 202: ScanList },
      },
    },
    async ({ caller, query }, reply) => {
      await identity.requireAccess(caller, 'push', parseImageName(query.image).repository)
      const { repository, images } = await parts.resolveImage(query.image)
      await database.transaction().execute(async (transaction) => {
        for (const { digest } of images) await requestScan(transaction, digest, identity.clock.now())
      })
      parts.wake()
      const items = await Promise.all(images.map((image) => describeScan(parts, repository, image)))
      return reply.code(202).send({ image: query.image, items })
    },
  )

  sbomRoutes(app, parts)
  vulndbRoutes(app, parts)
}

async function describeScan(
  { database, findFindings }: ScanningRouteParts,
  repository: RepositoryRef,
  image: PlatformImage,
): Promise<Static<typeof ScanList>['items'][number]> {
  const scan = await findScan(database, image.digest)
  const report = await findFindings(repository, image.digest)
  return {
    digest: image.digest,
    ...(image.platform === undefined ? {} : { platform: image.platform }),
    state: scan?.state ?? 'pending',
    ...(scan?.error === undefined ? {} : { error: scan.error }),
    ...(scan === undefined ? {} : { scannedAt: new Date(scan.scannedAt).toISOString() }),
    ...(scan?.inventory?.operatingSystem
      ? { operatingSystem: scan.inventory.operatingSystem.prettyName }
      : {}),
    packages: scan?.inventory?.packages.length ?? 0,
    unknowns: [...(scan?.inventory?.unknowns ?? [])],
    ...(report
      ? {
          databaseVersion: report.databaseVersion,
          databaseBuiltAt: new Date(report.databaseBuiltAt).toISOString(),
        }
      : {}),
    findings: (report?.findings ?? []).map(({ exception, ...finding }) => ({
      ...finding,
      aliases: [...finding.aliases],
      ...(exception === undefined ? {} : { exception: { ...exception } }),
    })),
    gaps: [...(report?.gaps ?? [])],
    coverage: (report?.coverage ?? []).map(({ builtAt, ...entry }) => ({
      ...entry,
      ...(builtAt === undefined ? {} : { builtAt: new Date(builtAt).toISOString() }),
    })),
  }
}
