import type { FastifyInstance } from 'fastify'
import { Type, type Static } from 'typebox'
import { findBaseOf } from '../baseimages/index.ts'
import type { Identity } from '../identity/index.ts'
import { parseImageName } from '../kernel/reference.ts'
import {
  currentPolicy,
  effectivePolicyOfStage,
  getStage,
  markBase,
  resolveImage,
  type EvidenceParts,
} from '../policy/index.ts'
import { matchInventory, type Inventory, type VulnerabilityDatabases } from '../scanning/offline.ts'
import { judgeInventory } from './decide.ts'
import { judgeStored } from './judge-stored.ts'
import { adviseFixes } from './reports/advise-fixes.ts'
import { getReportFormat, reportFormats } from './reports/index.ts'
import { readInventory } from './read-inventory.ts'
import type { GateResult } from './types.ts'
import { GateQuery, GateRequest } from './wire.ts'

const maximumInventoryBytes = 64 * 1024 * 1024

export interface GateRouteParts extends EvidenceParts {
  readonly identity: Identity
  readonly vulnerabilities: VulnerabilityDatabases
}

/** Verdicts in every report format, and the policy's word on what a build has made and not pushed yet. */
export function gateRoutes(app: FastifyInstance, parts: GateRouteParts): void {
  const { database, identity } = parts
  const about = (operationId: string, summary: string): object => ({ operationId, summary, tags: ['gate'] })

  app.get<{ Querystring: Static<typeof GateQuery> }>(
    '/api/v1/gate',
    {
      schema: {
        ...about(
          'getReport',
          `What is known of an image: all of it, or as ${reportFormats.map(({ name }) => name).join(', ')}`,
        ),
        querystring: GateQuery,
      },
    },
    async ({ caller, query }, reply) => {
      await identity.requireAccess(caller, 'pull', parseImageName(query.image).repository)
      const result = await judgeStored(parts, await resolveImage(database, query.image), query.image)
      // Without a format it is the whole result, from which a client can make any of them.
      if (query.format === undefined) return result
      const format = getReportFormat(query.format)
      return reply.type(format.mediaType).send(await format.write(result))
    },
  )

  app.post<{ Body: Static<typeof GateRequest> }>(
    '/api/v1/gate',
    {
      bodyLimit: maximumInventoryBytes,
      schema: {
        ...about('judgeInventory', 'Match and judge what a build found in an image, by the rules of a stage'),
        body: GateRequest,
        response: { 200: Type.Unsafe<GateResult>(Type.Object({}, { additionalProperties: true })) },
      },
    },
    async ({ caller, body }) => {
      await identity.requireSignIn(caller)
      return judgeSent(parts, body.target, readInventory(body.inventory), body.stage)
    },
  )
}

async function judgeSent(
  { database, vulnerabilities, clock }: GateRouteParts,
  target: GateResult['target'],
  inventory: Inventory,
  stage: string | undefined,
): Promise<GateResult> {
  const { document } = await currentPolicy(database)
  const rules = effectivePolicyOfStage(document, getStage(document, stage))
  const known = vulnerabilities.current()
  const base = await findBaseOf(
    database,
    inventory.layers.map(({ diffId }) => diffId),
  )
  const report = known && markBase(matchInventory(inventory, known), base)
  const time = new Date(clock.now()).toISOString()
  return {
    target,
    startedAt: time,
    finishedAt: time,
    inventory,
    ...(report ? { report } : {}),
    verdict: judgeInventory(rules, inventory, report, clock.now(), base),
    advice: report ? adviseFixes(report.findings) : [],
  }
}
