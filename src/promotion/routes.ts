import type { FastifyInstance } from 'fastify'
import type { Static } from 'typebox'
import { parseImageName } from '../kernel/reference.ts'
import { countsAgainst, showOutcome } from '../policy/index.ts'
import { PromotionFailure } from './failures.ts'
import { promoteImage, type PromotionParts, type PromotionResult } from './promote-image.ts'
import { NewPromotion, PromotionBody, PromotionList, PromotionQuery } from './wire.ts'

/** Asking for promotions, and what came of those before. */
export function promotionRoutes(app: FastifyInstance, parts: PromotionParts): void {
  const path = '/api/v1/promotions'
  const about = (operationId: string, summary: string): object => ({
    operationId,
    summary,
    tags: ['promotion'],
  })

  app.post<{ Body: Static<typeof NewPromotion> }>(
    path,
    {
      schema: {
        ...about('promoteImage', 'Promote an image to a later stage'),
        body: NewPromotion,
        response: { 201: PromotionBody },
      },
    },
    async ({ caller, body, protocol, host }, reply) => {
      const asked = `${protocol}://${host}`
      const result = await promoteImage(parts, {
        image: body.image,
        to: body.to,
        dryRun: body.dryRun ?? false,
        caller,
        serverUrl: parts.publicUrl ?? (URL.canParse(asked) ? asked : 'http://localhost'),
      })
      if (result.outcome === 'refused') throw refusal(result)
      return reply.code(201).send(show(result))
    },
  )

  app.get<{ Querystring: Static<typeof PromotionQuery> }>(
    path,
    {
      schema: {
        ...about('listPromotions', 'Promotions and refusals, newest first'),
        querystring: PromotionQuery,
        response: { 200: PromotionList },
      },
    },
    async ({ caller, query }) => {
      await parts.identity.requireSignIn(caller)
      const rows = await parts.database
        .selectFrom('promotion')
        .selectAll()
        .orderBy('requested_at', 'desc')
        .limit(query.n ?? 100)
        .execute()
      const items = []
      for (const row of rows) {
        const { repository } = parseImageName(row.source)
        if (!(await parts.identity.mayAccess(caller, 'pull', repository))) continue
        items.push({
          source: row.source,
          target: row.target,
          digest: row.digest,
          outcome: row.outcome,
          reasons: JSON.parse(row.reasons) as PromotionBody['reasons'],
          requestedBy: row.requested_by,
          requestedAt: new Date(row.requested_at).toISOString(),
        })
      }
      return { items }
    },
  )
}

/** Which rules kept it back and how to satisfy each; the whole list stands in the detail. */
function refusal(result: PromotionResult): PromotionFailure {
  const why = result.reasons.filter(countsAgainst)
  const isUndecided = why.every(({ outcome }) => outcome === 'undetermined')
  return new PromotionFailure(
    'PROMOTION_REFUSED',
    `${result.source} is not promoted to ${result.target}: ${why.map(({ rule, message }) => `${rule}: ${message}`).join('; ')}`,
    { detail: { ...show(result), undetermined: isUndecided } },
  )
}

function show(result: PromotionResult): Static<typeof PromotionBody> {
  return { ...result, reasons: result.reasons.map(showOutcome) }
}
