import { Type } from 'typebox'

const closed = { additionalProperties: false }

export const GateQuery = Type.Object(
  {
    image: Type.String({ minLength: 1, maxLength: 500 }),
    format: Type.Optional(Type.String({ minLength: 1, maxLength: 32 })),
  },
  closed,
)

export const GateRequest = Type.Object(
  {
    target: Type.Object(
      {
        name: Type.String({ maxLength: 4096 }),
        kind: Type.String({ maxLength: 32 }),
        digest: Type.Optional(Type.String({ maxLength: 150 })),
        platform: Type.Optional(Type.String({ maxLength: 100 })),
      },
      closed,
    ),
    /** The stage whose rules have to hold; the first one when not given. */
    stage: Type.Optional(Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' })),
    /** What the scanner found, as it gives it. */
    inventory: Type.Unknown(),
  },
  closed,
)
