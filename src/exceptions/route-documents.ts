import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { exportVex } from './export-vex.ts'
import { importVex } from './import-vex.ts'
import type { ExceptionRouteParts } from './routes.ts'
import { show } from './show-exception.ts'
import { NewVexImport, VexExportQuery, VexImported } from './wire.ts'

/** A document of eight megabytes, and what JSON makes of its quotes. */
const maximumBodyBytes = 20 * 1024 * 1024

/** VEX documents, in and out. */
export function documentRoutes(app: FastifyInstance, parts: ExceptionRouteParts): void {
  app.post<{ Body: Static<typeof NewVexImport> }>(
    '/api/v1/exceptions/import',
    {
      bodyLimit: maximumBodyBytes,
      schema: {
        operationId: 'importVex',
        summary: 'Ask for what a VEX document says; another person has to approve it',
        tags: ['exceptions'],
        body: NewVexImport,
        response: { 201: VexImported },
      },
    },
    async ({ caller, body: { until, ...wanted } }, reply) => {
      const { exceptions, skipped, ...rest } = await importVex(parts, caller, {
        ...wanted,
        until: Date.parse(until),
      })
      return reply.code(201).send({ ...rest, items: exceptions.map(show), skipped: [...skipped] })
    },
  )

  app.get<{ Querystring: Static<typeof VexExportQuery> }>(
    '/api/v1/exceptions/export',
    {
      schema: {
        operationId: 'exportVex',
        summary: 'What is known of an image as a VEX document: OpenVEX 0.2.0, CycloneDX 1.6 or CSAF 2.0',
        tags: ['exceptions'],
        querystring: VexExportQuery,
      },
    },
    async ({ caller, query, protocol, host }, reply) => {
      const asked = `${protocol}://${host}`
      const serverUrl = parts.publicUrl ?? (URL.canParse(asked) ? asked : 'http://localhost')
      const { image, format = 'openvex' } = query
      const document = await exportVex(parts, caller, { image, format, serverUrl })
      return reply.type('application/json').send(document)
    },
  )
}
