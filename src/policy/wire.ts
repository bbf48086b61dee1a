import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }

export const OutcomeBody = Type.Object({
  rule: Type.String(),
  outcome: Type.Union([Type.Literal('pass'), Type.Literal('fail'), Type.Literal('undetermined')]),
  message: Type.String(),
  evidence: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
})
export type OutcomeBody = Static<typeof OutcomeBody>
export const StateName = Type.Union([
  Type.Literal('pending'),
  Type.Literal('cleared'),
  Type.Literal('recalled'),
  Type.Literal('quarantined'),
])
export type StateName = Static<typeof StateName>

export const VerdictBody = Type.Object({
  image: Type.String(),
  digest: Type.String(),
  kind: Type.String(),
  state: StateName,
  reasons: Type.Array(OutcomeBody),
  policyVersion: Type.Integer(),
  judgedAt: Type.String({ format: 'date-time' }),
  graceUntil: Type.Optional(Type.String({ format: 'date-time' })),
})
export type VerdictBody = Static<typeof VerdictBody>

export const PolicyBody = Type.Object({
  version: Type.Integer(),
  document: Type.String(),
  appliedBy: Type.Optional(Type.String()),
  appliedAt: Type.Optional(Type.String({ format: 'date-time' })),
})
export type PolicyBody = Static<typeof PolicyBody>
export const PolicyText = Type.Object({ document: Type.String({ maxLength: 262_144 }) }, closed)

export const CheckBody = Type.Object({
  stages: Type.Array(Type.String()),
  judged: Type.Integer(),
  /** Images whose verdict would be another one. */
  changes: Type.Array(
    Type.Object({ image: Type.String(), from: StateName, to: StateName, because: Type.Array(Type.String()) }),
  ),
})
export type CheckBody = Static<typeof CheckBody>

export const DecisionRequest = Type.Object(
  {
    image: Type.String({ minLength: 1, maxLength: 500 }),
    reason: Type.String({ minLength: 3, maxLength: 1000 }),
  },
  closed,
)

export const ImagesQuery = Type.Object(
  {
    n: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
    /** `repository@digest` of the last image of the page before. */
    last: Type.Optional(Type.String({ maxLength: 500 })),
    repository: Type.Optional(Type.String({ maxLength: 255 })),
    verdict: Type.Optional(StateName),
  },
  closed,
)
export const ImageBody = Type.Object({
  repository: Type.String(),
  digest: Type.String(),
  tags: Type.Array(Type.String()),
  kind: Type.String(),
  verdict: StateName,
  /** Findings by severity. */
  findings: Type.Record(Type.String(), Type.Integer()),
  base: Type.String(),
  sizeBytes: Type.Integer(),
  pushedAt: Type.String({ format: 'date-time' }),
})
export type ImageBody = Static<typeof ImageBody>
export const ImageList = Type.Object({ items: Type.Array(ImageBody), next: Type.Optional(Type.String()) })
export type ImageList = Static<typeof ImageList>

export const InspectBody = Type.Object({
  image: ImageBody,
  verdict: VerdictBody,
  platforms: Type.Array(Type.Object({ digest: Type.String(), platform: Type.Optional(Type.String()) })),
  layers: Type.Array(
    Type.Object({ digest: Type.String(), diffId: Type.String(), instruction: Type.Optional(Type.String()) }),
  ),
  base: Type.Object({
    status: Type.String(),
    name: Type.Optional(Type.String()),
    version: Type.Optional(Type.String()),
    newer: Type.Optional(Type.String()),
  }),
  signatures: Type.Object({ status: Type.String(), keys: Type.Array(Type.String()) }),
  referrers: Type.Array(Type.Object({ digest: Type.String(), artifactType: Type.String() })),
})
export type InspectBody = Static<typeof InspectBody>
export const ImageQuery = Type.Object({ image: Type.String({ minLength: 1, maxLength: 500 }) }, closed)
