import { Type, type Static } from 'typebox'

const closed = { additionalProperties: false }

/** A manifest is kept when any of these says so; one that nothing keeps goes. */
export const RetentionSettings = Type.Object(
  {
    /** The tags pushed last. */
    keepLast: Type.Optional(Type.Integer({ minimum: 0, maximum: 100_000 })),
    keepPushedWithinDays: Type.Optional(Type.Number({ minimum: 0, maximum: 36_500 })),
    keepPulledWithinDays: Type.Optional(Type.Number({ minimum: 0, maximum: 36_500 })),
  },
  { ...closed, minProperties: 1 },
)
export type RetentionSettings = Static<typeof RetentionSettings>

/** Tags that cannot be moved or deleted once they are there. */
export const ImmutableSettings = Type.Object(
  { tags: Type.Optional(Type.String({ minLength: 1, maxLength: 128, pattern: '^[A-Za-z0-9_.*-]+$' })) },
  closed,
)
export type ImmutableSettings = Static<typeof ImmutableSettings>

export const NewRepositoryRule = Type.Union([
  Type.Object(
    {
      kind: Type.Literal('immutable-tags'),
      repositories: Type.String({ minLength: 1, maxLength: 255 }),
      settings: ImmutableSettings,
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('retention'),
      repositories: Type.String({ minLength: 1, maxLength: 255 }),
      settings: RetentionSettings,
    },
    closed,
  ),
])
export type NewRepositoryRule = Static<typeof NewRepositoryRule>

export const RepositoryRule = Type.Object({
  id: Type.String(),
  kind: Type.String(),
  repositories: Type.String(),
  settings: Type.Record(Type.String(), Type.Unknown()),
})
export type RepositoryRule = Static<typeof RepositoryRule>
export const RepositoryRuleList = Type.Object({ items: Type.Array(RepositoryRule) })
export const RepositoryRuleParams = Type.Object({ id: Type.String({ maxLength: 64 }) }, closed)

export const RunRequest = Type.Object({ dryRun: Type.Optional(Type.Boolean()) }, closed)
export const RetentionReport = Type.Object({
  dryRun: Type.Boolean(),
  deleted: Type.Array(
    Type.Object({ repository: Type.String(), digest: Type.String(), tags: Type.Array(Type.String()) }),
  ),
})
export type RetentionReport = Static<typeof RetentionReport>

export const GarbageReportBody = Type.Object({
  dryRun: Type.Boolean(),
  expiredUploads: Type.Integer(),
  unlinkedBlobs: Type.Integer(),
  deletedManifests: Type.Integer(),
  condemnedBlobs: Type.Integer(),
  deletedBlobs: Type.Integer(),
  freedBytes: Type.Integer(),
  orphanFiles: Type.Integer(),
})
export type GarbageReportBody = Static<typeof GarbageReportBody>
