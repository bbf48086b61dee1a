import { randomUUID } from 'node:crypto'
import { createWriteStream, readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { ScanningFailure } from './failures.ts'
import { describeDatabase, describeImport } from './describe-database.ts'
import { noteDatabase, updateDatabase, type UpdateParts } from './update-database.ts'
import { importBundle } from './vulndb/bundle/read-bundle.ts'
import { readPublicKey } from './vulndb/bundle/sign-manifest.ts'
import { packBundle } from './vulndb/bundle/write-bundle.ts'
import { runImport } from './vulndb/run-import.ts'
import { BundleManifest } from './vulndb/bundle/wire.ts'
import { BundleQuery, ImportBody, ImportQuery, VulndbStatus } from './wire.ts'

const maximumUploadBytes = 4 * 1024 ** 3

export interface VulndbRouteParts extends UpdateParts {
  readonly bundleKeys?: readonly string[]
}

/** The vulnerability database: its state, its feeds, and how it is carried elsewhere. */
export function vulndbRoutes(app: FastifyInstance, parts: VulndbRouteParts): void {
  const { identity, vulndbFolder } = parts

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
        ...about('updateVulndb', 'Ask the advisory feeds for what is new and build a database of it'),
        response: { 200: ImportBody },
      },
    },
    async ({ caller }) => {
      await identity.requireAdministrator(caller)
      return describeImport(await updateDatabase(parts, caller))
    },
  )

  app.get(
    '/api/v1/vulndb/bundle',
    { schema: about('exportVulndb', 'The vulnerability database as a bundle, to be signed and carried on') },
    async ({ caller }, reply) => {
      await identity.requireAdministrator(caller)
      const database = parts.vulnerabilities.current()
      const file = parts.vulnerabilities.file()
      if (!database || file === undefined)
        throw new ScanningFailure('SCAN_UNKNOWN', 'there is no vulnerability database yet')
      const bundle = await packBundle(file, database, vulndbFolder)
      reply.raw.once('close', () => void bundle.close())
      return reply.type('application/x-tar').send(bundle.open())
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
        const folder = join(vulndbFolder, `upload-${randomUUID()}`)
        await mkdir(folder, { recursive: true })
        try {
          const path = join(folder, query.name)
          await pipeline(raw, limited(maximumUploadBytes), createWriteStream(path))
          const report = await runImport(vulndbFolder, path)
          await noteDatabase(parts, caller, 'vulndb.import', report)
          return describeImport(report)
        } finally {
          await rm(folder, { recursive: true, force: true })
        }
      },
    )

    scope.post<{ Querystring: Static<typeof BundleQuery> }>(
      '/api/v1/vulndb/bundle',
      {
        schema: {
          ...about('importVulndbBundle', 'Put the database of a signed bundle into use'),
          querystring: BundleQuery,
          response: { 200: BundleManifest },
        },
      },
      async ({ caller, query, raw }) => {
        await identity.requireAdministrator(caller)
        const named = query.key === undefined ? [] : [readPublicKey(query.key)]
        const keys = [...named, ...(parts.bundleKeys ?? []).map(readKeyFile)]
        const bundle = limited(maximumUploadBytes)
        // A client that goes away ends the stream with an error, which its reader gets.
        pipeline(raw, bundle).catch(() => {})
        const trust = { keys, allowOlder: query.allowOlder ?? false }
        const manifest = await importBundle(vulndbFolder, bundle, trust)
        await noteDatabase(parts, caller, 'vulndb.bundle', manifest)
        return manifest
      },
    )
  })
}

function about(operationId: string, summary: string): object {
  return { operationId, summary, tags: ['scanning'] }
}

function readKeyFile(path: string): ReturnType<typeof readPublicKey> {
  try {
    return readPublicKey(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof ScanningFailure) throw error
    throw new ScanningFailure('BUNDLE_INVALID', `the key ${path} cannot be read`, { cause: error })
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
