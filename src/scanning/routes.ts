import { randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import type { Database } from '../database/index.ts'
import type { Identity } from '../identity/index.ts'
import type { Digest } from '../kernel/digest.ts'
import { mediaTypes } from '../kernel/media-types.ts'
import { parseImageName } from '../kernel/reference.ts'
import { listReferrers, type BlobStore, type RepositoryRef } from '../registry/index.ts'
import { ScanningFailure } from './failures.ts'
import { makeSbom } from './sbom/make-sbom.ts'
import { requestRematch } from './scan-job.ts'
import { findReport, findScan, requestScan } from './store.ts'
import type { ImportReport } from './vulndb/import-advisories.ts'
import { runImport } from './vulndb/run-import.ts'
import { updateFromFeeds, type FeedSettings } from './vulndb/update-from-feeds.ts'
import type { VulnerabilityDatabases } from './vulndb/open-vulnerability-database.ts'
import { ImageQuery, ImportBody, ImportQuery, ScanList, VulndbStatus } from './wire.ts'

const maximumUploadBytes = 4 * 1024 ** 3
const dayMs = 24 * 3_600_000

/** A platform image of what a name stands for. */
export interface PlatformImage {
  readonly digest: Digest
  readonly platform?: string
}

export interface ScanningRouteParts {
  readonly database: Database
  readonly identity: Identity
  readonly blobs: BlobStore
  readonly vulnerabilities: VulnerabilityDatabases
  readonly vulndbFolder: string
  readonly feeds: FeedSettings
  /** Finds an image by its name, with its platforms. Throws when there is none. */
  resolveImage(name: string): Promise<{ repository: RepositoryRef; images: readonly PlatformImage[] }>
  /** New work was committed. */
  wake(): void
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
      const { images } = await parts.resolveImage(query.image)
      return {
        image: query.image,
        items: await Promise.all(images.map((image) => describeScan(database, image))),
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
      const { images } = await parts.resolveImage(query.image)
      await database.transaction().execute(async (transaction) => {
        for (const { digest } of images) await requestScan(transaction, digest, identity.clock.now())
      })
      parts.wake()
      const items = await Promise.all(images.map((image) => describeScan(database, image)))
      return reply.code(202).send({ image: query.image, items })
    },
  )

  app.get<{ Querystring: Static<typeof ImageQuery> }>(
    '/api/v1/sbom',
    { schema: { ...about('getSbom', 'The SBOM of an image (CycloneDX 1.6)'), querystring: ImageQuery } },
    async ({ caller, query }, reply) => {
      await identity.requireAccess(caller, 'pull', parseImageName(query.image).repository)
      const { repository, images } = await parts.resolveImage(query.image)
      const [image] = images
      const inventory = image && (await findScan(database, image.digest))?.inventory
      if (!image || !inventory)
        throw new ScanningFailure('SCAN_UNKNOWN', `${query.image} has not been scanned yet`)
      const [attached] = await listReferrers(database, repository.id, image.digest, {
        artifactType: mediaTypes.cycloneDx,
        limit: 1,
      })
      if (attached) reply.header('docker-content-digest', attached.digest)
      return reply.type(mediaTypes.cycloneDx).send(await makeSbom(image.digest, inventory))
    },
  )

  app.get(
    '/api/v1/vulndb',
    {
      schema: {
        ...about('getVulndb', 'Version, age and sources of the vulnerability database'),
        response: { 200: VulndbStatus },
      },
    },
    async ({ caller }) => {
      await identity.requireSignIn(caller)
      return describeDatabase(parts.vulnerabilities, identity.clock.now())
    },
  )

  app.post(
    '/api/v1/vulndb/update',
    {
      schema: {
        ...about('updateVulndb', 'Fetch the advisory feeds and build a new database'),
        response: { 200: ImportBody },
      },
    },
    async ({ caller }) => {
      await identity.requireAdministrator(caller)
      const report = await updateFromFeeds(parts.vulndbFolder, parts.feeds)
      await noteImport(caller, 'vulndb.update', report)
      return sendable(report)
    },
  )

  void app.register(async (scope) => {
    // Advisories come as a stream of any size; nothing of them is held in memory here.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null))
    scope.post<{ Querystring: Static<typeof ImportQuery> }>(
      '/api/v1/vulndb/import',
      {
        schema: {
          ...about('importVulndb', 'Import one file of advisories'),
          querystring: ImportQuery,
          response: { 200: ImportBody },
        },
      },
      async ({ caller, query, raw }) => {
        await identity.requireAdministrator(caller)
        const folder = join(parts.vulndbFolder, `upload-${randomUUID()}`)
        await mkdir(folder, { recursive: true })
        try {
          const path = join(folder, query.name)
          await pipeline(raw, limited(maximumUploadBytes), createWriteStream(path))
          const report = await runImport(parts.vulndbFolder, path)
          await noteImport(caller, 'vulndb.import', report)
          return sendable(report)
        } finally {
          await rm(folder, { recursive: true, force: true })
        }
      },
    )
  })

  const noteImport = async (
    caller: Parameters<typeof identity.audit>[1],
    action: string,
    report: ImportReport,
  ): Promise<void> => {
    await database.transaction().execute(async (transaction) => {
      const sources = report.sources.map(({ name, records }) => `${name} (${records})`)
      await identity.audit(transaction, caller, action, report.version, { sources })
      await requestRematch(transaction, identity.clock.now())
    })
    parts.wake()
  }
}

function sendable(report: ImportReport): Static<typeof ImportBody> {
  return { ...report, sources: [...report.sources], errors: [...report.errors] }
}

async function describeScan(
  database: Database,
  image: PlatformImage,
): Promise<Static<typeof ScanList>['items'][number]> {
  const scan = await findScan(database, image.digest)
  const report = await findReport(database, image.digest)
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
    findings: (report?.findings ?? []).map((finding) => ({ ...finding, aliases: [...finding.aliases] })),
    gaps: [...(report?.gaps ?? [])],
  }
}

function describeDatabase(vulnerabilities: VulnerabilityDatabases, now: number): Static<typeof VulndbStatus> {
  const database = vulnerabilities.current()
  if (!database) return { sources: [] }
  return {
    version: database.version,
    builtAt: new Date(database.builtAt).toISOString(),
    ageDays: Math.round(((now - database.builtAt) / dayMs) * 10) / 10,
    sources: database.sources.map(({ name, records, builtAt }) => ({
      name,
      records,
      ...(builtAt === 0 ? {} : { builtAt: new Date(builtAt).toISOString() }),
    })),
  }
}

function limited(maximumBytes: number): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > maximumBytes)
        done(new ScanningFailure('ADVISORIES_INVALID', `a file has at most ${maximumBytes} bytes`))
      else done(null, chunk)
    },
  })
}
