import { Type, type Static } from 'typebox'

export const AuditEntry = Type.Object({
  sequence: Type.Integer(),
  at: Type.String({ format: 'date-time' }),
  principal: Type.String(),
  sourceAddress: Type.String(),
  action: Type.String(),
  object: Type.String(),
  detail: Type.Record(Type.String(), Type.Unknown()),
  hash: Type.String(),
})
export type AuditEntry = Static<typeof AuditEntry>

export const AuditQuery = Type.Object(
  {
    n: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
    /** Entries older than this sequence number. */
    before: Type.Optional(Type.Integer({ minimum: 1 })),
    action: Type.Optional(Type.String({ maxLength: 100 })),
    object: Type.Optional(Type.String({ maxLength: 500 })),
  },
  { additionalProperties: false },
)

export const AuditPage = Type.Object({ items: Type.Array(AuditEntry) })
export type AuditPage = Static<typeof AuditPage>

export const AuditVerifyQuery = Type.Object(
  { head: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })) },
  { additionalProperties: false },
)

export const AuditReport = Type.Object({
  intact: Type.Boolean(),
  entries: Type.Integer(),
  head: Type.String(),
  broken: Type.Optional(Type.Object({ sequence: Type.Integer(), why: Type.String() })),
})
export type AuditReport = Static<typeof AuditReport>
