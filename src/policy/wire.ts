import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }

export const OutcomeBody = Type.Object({
  rule: Type.String(),
  outcome: Type.Union([Type.Literal('pass'), Type.Literal('fail'), Type.Literal('undetermined')]),
  message: Type.String(),
  evidence: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  /** The level of the policy that asks. */
  level: Type.Optional(Type.String()),
  /** It does not count against the image: `audit` only writes it down, `warn` shows it. */
  mode: Type.Optional(Type.Union([Type.Literal('audit'), Type.Literal('warn')])),
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
  /** What does not fit together any more, such as a project that is looser than the organisation now. */
  warnings: Type.Optional(Type.Array(Type.String())),
})
export type PolicyBody = Static<typeof PolicyBody>
const DocumentText = Type.String({ maxLength: 262_144 })
export const PolicyText = Type.Object({ document: DocumentText }, closed)
export const ProjectParams = Type.Object({ name: Type.String({ maxLength: 255 }) }, closed)

export const CheckBody = Type.Object({
  stages: Type.Array(Type.String()),
  judged: Type.Integer(),
  /** Of all images, also of those that are not shown. */
  changed: Type.Integer(),
  /** Images that can be pulled now and then could not, at once or after their grace. */
  wouldBlock: Type.Integer(),
  /** What would block them, the most frequent first. */
  blockers: Type.Array(Type.Object({ level: Type.String(), rule: Type.String(), images: Type.Integer() })),
  /** Images whose verdict would be another one, or of which fewer tags could be pulled. */
  changes: Type.Array(
    Type.Object({
      image: Type.String(),
      repository: Type.String(),
      tags: Type.Array(Type.String()),
      from: StateName,
      to: StateName,
      because: Type.Array(Type.String()),
      blockedBy: Type.Array(Type.Object({ level: Type.String(), rule: Type.String() })),
      /** When it can no longer be pulled. */
      unpullableAt: Type.Optional(Type.String({ format: 'date-time' })),
      /** Tags under which it is not signed, where signatures are bound to tags. */
      refusedTags: Type.Optional(Type.Array(Type.String())),
    }),
  ),
  warnings: Type.Array(Type.String()),
})
export type CheckBody = Static<typeof CheckBody>

export const TestRequest = Type.Object(
  {
    image: Type.String({ minLength: 1, maxLength: 500 }),
    /** The tag under which it would be pulled. */
    reference: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    /** The policy to test under, in place of the one in force: the organisation's, or that of `project`. */
    document: Type.Optional(DocumentText),
    project: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  },
  closed,
)

/** One image, or an index by itself, under a policy. */
export const TestedImage = Type.Object({
  digest: Type.String(),
  kind: Type.String(),
  platform: Type.Optional(Type.String()),
  outcomes: Type.Array(OutcomeBody),
})
export const TestBody = Type.Object({
  image: Type.String(),
  repository: Type.String(),
  state: Type.Union([Type.Literal('pass'), Type.Literal('fail'), Type.Literal('undetermined')]),
  policyDigest: Type.String(),
  /** The path of the repository, from the organisation downwards. */
  levels: Type.Array(Type.String()),
  images: Type.Array(TestedImage),
  reference: Type.Optional(
    Type.Object({
      tag: Type.String(),
      isAllowed: Type.Boolean(),
      /** The tags under which it can be pulled; absent when signatures are not bound to tags. */
      allowedTags: Type.Optional(Type.Array(Type.String())),
    }),
  ),
})
export type TestRequest = Static<typeof TestRequest>
export type TestBody = Static<typeof TestBody>

export const EffectiveQuery = Type.Object(
  { repository: Type.String({ minLength: 1, maxLength: 255 }) },
  closed,
)
export const EffectiveBody = Type.Object({
  repository: Type.String(),
  digest: Type.String(),
  levels: Type.Array(Type.String()),
  /** Each rule with the level that asks for it, and each part of the rule on signatures with where it comes from. */
  parts: Type.Array(Type.Object({ name: Type.String(), value: Type.Unknown(), level: Type.String() })),
})
export type EffectiveBody = Static<typeof EffectiveBody>

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
  signatures: Type.Object({ status: Type.String(), signers: Type.Array(Type.String()) }),
  referrers: Type.Array(Type.Object({ digest: Type.String(), artifactType: Type.String() })),
})
export type InspectBody = Static<typeof InspectBody>
export const ImageQuery = Type.Object({ image: Type.String({ minLength: 1, maxLength: 500 }) }, closed)
