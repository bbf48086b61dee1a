import { Type, type Static } from 'typebox'

const Outcome = Type.Object({
  rule: Type.String(),
  outcome: Type.String(),
  message: Type.String(),
  evidence: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  level: Type.Optional(Type.String()),
  /** It does not count: `audit` only writes it down, `warn` shows it. */
  mode: Type.Optional(Type.String()),
  /** Two people let it through for a time; it does not count against the image. */
  exception: Type.Optional(
    Type.Object({
      id: Type.String(),
      reason: Type.String(),
      approvedBy: Type.String(),
      until: Type.String({ format: 'date-time' }),
    }),
  ),
})

export const NewPromotion = Type.Object(
  {
    image: Type.String({ minLength: 1, maxLength: 500 }),
    to: Type.String({ minLength: 1, maxLength: 32 }),
    dryRun: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)

export const PromotionBody = Type.Object({
  outcome: Type.String(),
  source: Type.String(),
  target: Type.String(),
  digest: Type.String(),
  manifests: Type.Integer(),
  reasons: Type.Array(Outcome),
})
export type PromotionBody = Static<typeof PromotionBody>

export const PromotionQuery = Type.Object(
  { n: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })) },
  { additionalProperties: false },
)

export const PromotionList = Type.Object({
  items: Type.Array(
    Type.Object({
      source: Type.String(),
      target: Type.String(),
      digest: Type.String(),
      outcome: Type.String(),
      reasons: Type.Array(Outcome),
      requestedBy: Type.String(),
      requestedAt: Type.String({ format: 'date-time' }),
    }),
  ),
})
export type PromotionList = Static<typeof PromotionList>
