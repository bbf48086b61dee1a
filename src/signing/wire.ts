import { Type, type Static } from 'typebox'

export const SigningKey = Type.Object({
  name: Type.String(),
  publicKey: Type.String(),
  createdAt: Type.String({ format: 'date-time' }),
  revokedAt: Type.Optional(Type.String({ format: 'date-time' })),
})
export type SigningKey = Static<typeof SigningKey>
export const SigningKeyList = Type.Object({ items: Type.Array(SigningKey) })
export const ServerKeyBody = Type.Object({ publicKey: Type.String() })
export type ServerKeyBody = Static<typeof ServerKeyBody>
export const NewSigningKey = Type.Object(
  {
    name: Type.String({ pattern: '^(?!server$)[a-z0-9][a-z0-9._-]{0,63}$' }),
    publicKey: Type.String({ maxLength: 10_000 }),
  },
  { additionalProperties: false },
)
export const SigningKeyParams = Type.Object(
  { name: Type.String({ maxLength: 64 }) },
  { additionalProperties: false },
)
